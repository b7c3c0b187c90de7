/** Light or dark: the system's choice until the reader makes one. */

export type Theme = "system" | "light" | "dark";

const dark = matchMedia("(prefers-color-scheme: dark)");

class ThemeState {
  chosen = $state<Theme>("system");
  /** Counts changes of what is seen, so that canvases know when to paint anew. */
  version = $state(0);

  constructor() {
    dark.addEventListener("change", () => this.version++);
  }

  next(): void {
    const order: Theme[] = ["system", "light", "dark"];
    this.choose(order[(order.indexOf(this.chosen) + 1) % order.length]);
  }

  choose(theme: Theme): void {
    this.chosen = theme;
    for (const root of document.querySelectorAll<HTMLElement>("html:has(> body.iw), .iw, .iw-live")) {
      if (theme === "system") delete root.dataset.theme;
      else root.dataset.theme = theme;
    }
    this.version++;
  }
}

export const theme = new ThemeState();
