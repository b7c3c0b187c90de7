import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

// One library, built twice: `page` runs by itself inside HTML files, `widget` is an ES module for notebooks.
export default defineConfig(({ mode }) => {
  const isWidget = mode === "widget";
  return {
    plugins: [svelte()],
    define: { "process.env.NODE_ENV": JSON.stringify("production") },
    build: {
      outDir: `out/${isWidget ? "widget" : "page"}`,
      target: "es2022",
      cssCodeSplit: false,
      minify: true,
      lib: {
        entry: isWidget ? "src/widget.ts" : "src/page.ts",
        formats: [isWidget ? "es" : "iife"],
        name: "innerworks",
        fileName: () => (isWidget ? "widget.js" : "page.js"),
        cssFileName: "views",
      },
    },
    test: { include: ["tests/**/*.test.ts"] },
  };
});
