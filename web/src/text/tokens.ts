/** Texts made visible: spaces, line breaks, controls and direction marks as signs. */

const NAMED: Record<string, string> = { " ": "␣", "\n": "⏎", "\r": "␍", "\t": "⇥", "\u00a0": "⍽", "\u007f": "␡" };

export function visibleToken(token: string): string {
  if (token === "") return "∅";
  const inside = token.replace(/^ +| +$/g, "");
  if (inside === "") return "␣".repeat(token.length);
  const before = token.length - token.replace(/^ +/, "").length;
  const after = token.length - before - inside.length;
  const middle = Array.from(inside, (char) => (char === " " ? char : (NAMED[char] ?? printable(char)))).join("");
  return "␣".repeat(before) + middle + "␣".repeat(after);
}

/** A label on one line; what has nothing unusual in it stays as it is. */
export function visibleLabel(text: string): string {
  return text === text.trim() && text !== "" && !/[\p{Cc}\p{Cf}\p{Cs}]/u.test(text) ? text : visibleToken(text);
}

function printable(char: string): string {
  const code = char.codePointAt(0)!;
  if (code < 32) return String.fromCodePoint(0x2400 + code);
  if (code >= 0xd800 && code <= 0xdfff) return "\ufffd";
  return /\p{Cf}/u.test(char) && char !== "\u200d" ? `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩` : char;
}

/** How many columns of a terminal, or letters of a label, a text takes. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const char of text) if (!/\p{Mn}/u.test(char)) width += /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u.test(char) ? 2 : 1;
  return width;
}

export function cut(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let kept = "";
  let used = 0;
  for (const char of text) {
    used += displayWidth(char);
    if (used > Math.max(width - 1, 0)) break;
    kept += char;
  }
  return `${kept}…`;
}
