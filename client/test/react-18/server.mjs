// Renders the page as a server does.

import { version } from 'react';
import { renderToString } from 'react-dom/server';
import { page, said } from './parts.mjs';

const html = renderToString(page(class {
  constructor() {
    throw new Error('a server connects');
  }
}));

console.log(JSON.stringify({ version, html, said }));
