import { defineConfig } from 'vitest/config';

// The built interface in the system's Chromium against a faithful fake of the server. The quick form runs beside nothing
// else, so it may use two browsers; the whole one takes its time.
export default defineConfig({
  test: {
    include: ['test/screens/**/*.test.ts'],
    environment: 'node',
    fileParallelism: process.env['SCREENS'] === 'quick',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 30_000,
  },
});
