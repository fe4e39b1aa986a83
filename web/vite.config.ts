import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

const server = 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [svelte({ configFile: false })],
  build: {
    target: 'es2022',
    // Every script and style is a file of its own: the pages run under a policy without inline code.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { '/api': server, '/v1': { target: server, ws: true } } },
  test: {
    include: ['sdk/**/*.test.ts', 'src/**/*.test.ts'],
    environment: 'node',
    // Against tests that hang: a busy machine may be slow.
    testTimeout: 60_000,
  },
});
