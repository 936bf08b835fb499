import { parentPort } from 'node:worker_threads';
import { ZxcvbnFactory } from '@zxcvbn-ts/core';
import { adjacencyGraphs, dictionary } from '@zxcvbn-ts/language-common';
import words from '@zxcvbn-ts/language-en/dist/commonWords.json.mjs';
import names from '@zxcvbn-ts/language-en/dist/firstnames.json.mjs';
import type { Estimate, EstimateRequest } from './password-strength.ts';

/**
 * A worker thread that estimates how many guesses a password needs. It needs 40 MB and up to 0.1 s for one password, so it
 * neither stays loaded nor blocks the daemon.
 */

const estimator = new ZxcvbnFactory({
  dictionary: { ...dictionary, words, names },
  graphs: adjacencyGraphs,
  // With the default of 100, a crafted password takes seconds.
  l33tMaxSubstitutions: 5,
});

parentPort?.on('message', ({ id, password, known }: EstimateRequest) => {
  const estimate: Estimate = { id, guesses: estimator.check(password, [...known]).guesses };
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of node:worker_threads has none
  parentPort?.postMessage(estimate);
});
