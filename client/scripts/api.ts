// What is documented: both entries of the package.

export * from '../src/index.js';
export * from '../src/react/index.js';
