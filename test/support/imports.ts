/**
 * Finds the imports of a TypeScript source without a compiler (TypeScript 7 has no API for it). Comments, strings, templates
 * and regular expressions are blanked first, so that only code is looked at; offsets stay the same.
 */

/** What a source imports, type imports too, in order. Non-literal dynamic imports are not found. */
export function importsOf(source: string): string[] {
  const code = codeOf(source);
  const quoted = "([\"'`])";
  const forms = [
    new RegExp(`\\b(?:import|export)\\b[^;"'\`()]*?\\bfrom\\s*${quoted}`, "g"),
    new RegExp(`\\bimport\\s*${quoted}`, "g"),
    new RegExp(`\\b(?:import|require)\\s*\\(\\s*${quoted}`, "g"),
  ];
  const starts = forms.flatMap((form) => [...code.matchAll(form)].map((match) => match.index + match[0].length));
  return [...new Set(starts)].sort((a, b) => a - b).map((start) => source.slice(start, code.indexOf(source.charAt(start - 1), start)));
}

/** The source with the inside of every comment, string, template text and regular expression replaced by spaces. */
export function codeOf(source: string): string {
  let code = "";
  const open: Array<"{" | "${"> = []; // braces we are in; `${` ends by going back to its template's text
  const blank = (end: number) => {
    code += source.slice(code.length, end).replace(/[^\n]/g, " ");
  };
  const keep = () => {
    code += source.charAt(code.length);
  };
  const template = () => {
    const end = endOf(source, code.length, /`|\$\{/y);
    blank(end);
    if (source.charAt(end) === "`") return keep();
    keep();
    keep();
    open.push("${");
  };
  while (code.length < source.length) {
    const at = code.length;
    const char = source.charAt(at);
    const pair = source.slice(at, at + 2);
    if (pair === "//") blank(indexOr(source, "\n", at));
    else if (pair === "/*") blank(indexOr(source, "*/", at + 2) + 2);
    else if (char === '"' || char === "'") {
      keep();
      blank(endOf(source, at + 1, char === '"' ? /"|\n/y : /'|\n/y));
      keep();
    } else if (char === "`") {
      keep();
      template();
    } else if (char === "/" && isRegexNext(code)) blank(regexEnd(source, at));
    else {
      keep();
      if (char === "{") open.push("{");
      if (char === "}" && open.pop() === "${") template();
    }
  }
  return code;
}

function indexOr(source: string, text: string, from: number): number {
  const index = source.indexOf(text, from);
  return index === -1 ? source.length : index;
}

/** Where the sticky pattern first matches at or after `from`, jumping over escaped characters. */
function endOf(source: string, from: number, pattern: RegExp): number {
  for (let at = from; at < source.length; at++) {
    if (source.charAt(at) === "\\") at++;
    else {
      pattern.lastIndex = at;
      if (pattern.test(source)) return at;
    }
  }
  return source.length;
}

/** A slash starts a regular expression where no value can have ended. */
function isRegexNext(code: string): boolean {
  return /(?:^|[=(,:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|of|in|yield|await))\s*$/.test(code.slice(-200));
}

function regexEnd(source: string, start: number): number {
  let isInClass = false;
  for (let at = start + 1; at < source.length; at++) {
    const char = source.charAt(at);
    if (char === "\n") return at;
    if (char === "\\") at++;
    else if (char === "[") isInClass = true;
    else if (char === "]") isInClass = false;
    else if (char === "/" && !isInClass) return at + 1;
  }
  return source.length;
}
