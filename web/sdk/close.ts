/** What a close code says to do next. Its range tells even an old page: 4000–4499 come back, 4500–4999 stay away. */

/** The token ran out: come back with a new one. */
export const TOKEN_EXPIRED = 4401;
/** The token is not valid here. */
export const FORBIDDEN = 4503;

/** Standard codes after which another attempt would end the same way. */
const FINAL = new Set([1000, 1002, 1003, 1007, 1008, 1009, 1010]);

/** Whether to connect again after a close with `code`, whoever named it. */
export function reconnects(code: number): boolean {
  return !FINAL.has(code) && !(code >= 4500 && code <= 4999);
}
