import { array, integer, oneof } from 'fast-check';

/**
 * Texts of any characters: half of them beyond the first 65,536, lone surrogates among the others. fast-check's own
 * `unit: 'binary'` reads the whole of Unicode when it is first used, which takes a second and more.
 */
export const anyText = () =>
  array(oneof(integer({ min: 0, max: 0xffff }), integer({ min: 0x1_0000, max: 0x10_ffff }))).map((codes) =>
    String.fromCodePoint(...codes),
  );
