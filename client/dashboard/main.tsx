// Starts the page.

import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { App } from './App.js';

import '../src/react/style.css';
import './style/base.css';
import './style/package.css';
import './style/layout.css';
import './style/parts.css';
import './style/events.css';
import './style/figures.css';

// another link is another person
window.addEventListener('hashchange', () => location.reload());

const root = document.getElementById('root');

if (root !== null) {
  createRoot(root).render(<StrictMode><App /></StrictMode>);
}
