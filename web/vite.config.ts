import { defineConfig, type Plugin } from 'vite';
import { OPERATIONS } from '../shared/client/operations.ts';

/** As in the other bundles: the client needs the table of operations, and not zod, from which it is made. */
const operationTable: Plugin = {
  name: 'operation-table',
  enforce: 'pre',
  load: (id) =>
    id.endsWith('/shared/client/operations.ts')
      ? `export const OPERATIONS = ${JSON.stringify(OPERATIONS, (key, value) => (key === 'command' ? undefined : value))};`
      : null,
};

export default defineConfig({
  root: import.meta.dirname,
  // A proxy may serve the daemon below a path.
  base: './',
  plugins: [operationTable],
  build: {
    outDir: '../dist/web',
    emptyOutDir: true,
    assetsDir: 'assets',
    // The security policy allows no scripts, styles and fonts inside of other files.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2023',
    reportCompressedSize: false,
  },
  // `npm run dev:web`: the page with a daemon at its default address.
  server: {
    proxy: {
      '/api': 'http://127.0.0.1:3000',
      '/account': 'http://127.0.0.1:3000',
      '/ws': { target: 'http://127.0.0.1:3000', ws: true, changeOrigin: false },
    },
  },
});
