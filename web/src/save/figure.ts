/** A picture of what a view shows, as SVG: boxes, texts, lines and canvases where they are on the page. */

const PAINT = ["fill", "fill-opacity", "stroke", "stroke-opacity", "stroke-width", "stroke-dasharray", "stroke-linejoin", "opacity", "color"];
const WRITING = ["font-family", "font-size", "font-weight", "text-anchor", "dominant-baseline", "text-decoration-line"];
const SVG = "http://www.w3.org/2000/svg";

export interface Figure {
  text: string;
  width: number;
  height: number;
}

export function figure(root: HTMLElement, title: string): Figure {
  const box = root.getBoundingClientRect();
  const content = Math.max(root.scrollWidth, ...[...root.querySelectorAll(".iw-scroll")].map((part) => part.scrollWidth));
  const [width, height] = [Math.ceil(content) + 24, Math.ceil(box.height) + 24];
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("xmlns", SVG);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("width", String(width));
  svg.setAttribute("height", String(height));
  svg.append(made("title", {}, title));
  svg.append(made("rect", { width, height, fill: getComputedStyle(root).getPropertyValue("--bg").trim() }));
  draw(root, svg, { x: box.left - 12, y: box.top - 12 });
  return { text: new XMLSerializer().serializeToString(svg), width, height };
}

interface Origin {
  x: number;
  y: number;
}

function draw(element: Element, into: Element, origin: Origin): void {
  if (element.hasAttribute("data-no-export")) return;
  const box = element.getBoundingClientRect();
  const style = getComputedStyle(element);
  if (style.display === "none" || style.visibility === "hidden") return;
  const [x, y] = [box.left - origin.x, box.top - origin.y];
  if (element instanceof HTMLCanvasElement) {
    const href = element.toDataURL();
    into.append(made("image", { x, y, width: box.width, height: box.height, href, style: "image-rendering:pixelated" }));
    return;
  }
  if (element instanceof SVGSVGElement) {
    into.append(drawing(element, x, y));
    return;
  }
  boxes(style, box, x, y, into);
  for (const node of element.childNodes) {
    if (node instanceof Element) draw(node, into, origin);
    else if (node.nodeType === Node.TEXT_NODE) write(node as Text, style, into, origin);
  }
}

function boxes(style: CSSStyleDeclaration, box: DOMRect, x: number, y: number, into: Element): void {
  if (!/^rgba\(.*, 0\)$|^transparent$/.test(style.backgroundColor))
    into.append(made("rect", { x, y, width: box.width, height: box.height, rx: parseFloat(style.borderRadius) || 0, fill: style.backgroundColor }));
  if (style.backgroundImage.includes("repeating-linear-gradient")) into.append(made("path", { d: hatch(x, y, box), stroke: style.getPropertyValue("--soft").trim(), "stroke-width": 1 }));
  if (parseFloat(style.borderBottomWidth) > 0 && style.borderBottomStyle !== "none") {
    const bottom = y + box.height - parseFloat(style.borderBottomWidth) / 2;
    const dash: Record<string, string> = style.borderBottomStyle === "dotted" ? { "stroke-dasharray": "2 2" } : {};
    into.append(made("path", { d: `M${x} ${bottom}h${box.width}`, stroke: style.borderBottomColor, "stroke-width": style.borderBottomWidth, ...dash }));
  }
}

/** Diagonal lines inside a box, which say that there is no number. */
function hatch(x: number, y: number, box: DOMRect): string {
  let path = "";
  for (let shift = 4 - box.height; shift < box.width; shift += 6) {
    const [from, to] = [Math.max(0, shift), Math.min(box.width, shift + box.height)];
    if (to > from) path += `M${x + from} ${y + box.height - (from - shift)}L${x + to} ${y + box.height - (to - shift)}`;
  }
  return path;
}

/** A text node, one SVG text per line that it takes on the page. */
function write(node: Text, style: CSSStyleDeclaration, into: Element, origin: Origin): void {
  if (!node.data.trim()) return;
  const range = document.createRange();
  let line: { text: string; box: DOMRect } | null = null;
  const lines: { text: string; box: DOMRect }[] = [];
  let at = 0;
  for (const char of node.data) {
    range.setStart(node, at);
    range.setEnd(node, at + char.length);
    at += char.length;
    const box = range.getBoundingClientRect();
    if (box.width === 0 && !line) continue;
    if (line && (Math.abs(box.top - line.box.top) < 3 || box.width === 0)) line.text += char;
    else lines.push((line = { text: char, box }));
  }
  for (const { text, box } of lines)
    into.append(
      made(
        "text",
        {
          x: box.left - origin.x,
          y: box.top - origin.y + box.height / 2,
          fill: style.color,
          style: `font:${style.fontWeight} ${style.fontSize} ${style.fontFamily.replace(/"/g, "'")};dominant-baseline:central;white-space:pre`,
        },
        text.trimEnd(),
      ),
    );
}

/** An SVG of the page with its looks written into every element. */
function drawing(svg: SVGSVGElement, x: number, y: number): Element {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const [originals, copies] = [svg.querySelectorAll("*"), copy.querySelectorAll("*")];
  originals.forEach((original, index) => {
    const style = getComputedStyle(original);
    const names = original.tagName === "text" ? [...PAINT, ...WRITING] : PAINT;
    copies[index].setAttribute("style", names.map((name) => `${name}:${style.getPropertyValue(name).replace(/"/g, "'")}`).join(";"));
    copies[index].removeAttribute("class");
  });
  for (const name of ["class", "tabindex", "role", "style"]) copy.removeAttribute(name);
  copy.setAttribute("x", String(x));
  copy.setAttribute("y", String(y));
  copy.setAttribute("overflow", "visible");
  return copy;
}

function made(name: string, attributes: Record<string, string | number>, text = ""): Element {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, typeof value === "number" ? String(Math.round(value * 100) / 100) : value);
  if (text) element.textContent = text;
  return element;
}
