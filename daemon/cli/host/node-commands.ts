import { command, JSON_OPTION, TABLE_OPTIONS } from '../command.ts';
import { CONNECT_OPTIONS } from '../connect.ts';

/** Commands for the nodes of a cluster. */
export const nodeCommands = [
  command({
    words: ['nodes', 'list'],
    summary: 'List the nodes of the cluster',
    options: { ...TABLE_OPTIONS, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { listNodes } = await import('./node-actions.ts');
      return listNodes(args, context);
    },
  }),
  command({
    words: ['nodes', 'drain'],
    summary:
      'Move all databases of a node to other nodes, and wait; exit with 1 when some cannot move. Ctrl-C ends only the waiting',
    positionals: {
      name: { type: 'string', demandOption: true, describe: "Name of the node, see 'nodes list'" },
    },
    options: { ...JSON_OPTION, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { drainNode } = await import('./drain-actions.ts');
      return drainNode(args, context);
    },
  }),
  command({
    words: ['nodes', 'undrain'],
    summary: 'Let a node that was drained take databases again',
    positionals: {
      name: { type: 'string', demandOption: true, describe: "Name of the node, see 'nodes list'" },
    },
    options: { ...JSON_OPTION, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { undrainNode } = await import('./drain-actions.ts');
      return undrainNode(args, context);
    },
  }),
  command({
    words: ['nodes', 'remove'],
    summary: 'Remove a node whose server is off, so that another node may start its databases',
    positionals: {
      name: { type: 'string', demandOption: true, describe: "Name of the node, see 'nodes list'" },
    },
    options: { ...JSON_OPTION, ...CONNECT_OPTIONS },
    async run(args, context) {
      const { removeNode } = await import('./node-actions.ts');
      return removeNode(args, context);
    },
  }),
];
