"""The look of pages and fragments: system fonts, two themes, nothing loaded from anywhere."""

from __future__ import annotations

__all__ = ["STYLE"]

_LIGHT = """--bg:#fff;--text:#1c2024;--soft:#5d6670;--line:#dfe3e8;--panel:#f6f7f9;
--pos:#08519c;--neg:#a63603;--on:#000;--on-hi:#fff;--ok:#1a7f37;--bad:#b42318;--badbg:#fdecea;
--s0:#0b62a8;--s1:#c4500c;--s2:#00795a;--s3:#a1408a;--s4:#8a6a00;--s5:#2a8fbd;--s6:#5a4fcf;--s7:#444b53"""
_DARK = """--bg:#15181d;--text:#e4e7eb;--soft:#99a3ae;--line:#30363e;--panel:#1c2026;
--pos:#5c9bd6;--neg:#d97e36;--on:#fff;--on-hi:#000;--ok:#57c27a;--bad:#ff8a7a;--badbg:#3a1f1d;
--s0:#5fb0f5;--s1:#f0924c;--s2:#3cc49a;--s3:#e18bcb;--s4:#dcb64a;--s5:#8ad6f2;--s6:#a8a1ff;--s7:#b8c0c9"""

# A notebook's own theme wins over the system's, since the fragment sits inside the notebook's page.
_THEMES = f"""
.iw{{{_LIGHT};color-scheme:light}}
@media (prefers-color-scheme:dark){{.iw{{{_DARK};color-scheme:dark}}}}
body[data-jp-theme-light=true] .iw,body.vscode-light .iw{{{_LIGHT};color-scheme:light}}
body[data-jp-theme-light=false] .iw,body.vscode-dark .iw{{{_DARK};color-scheme:dark}}
"""

_TEXT = """
.iw{background:var(--bg);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;
font-variant-numeric:tabular-nums;padding:1rem 1.25rem;box-sizing:border-box}
body.iw{margin:0 auto;max-width:64rem;padding:2.5rem 1.5rem 4rem}
html:has(>body.iw){background:#fff}
@media (prefers-color-scheme:dark){html:has(>body.iw){background:#15181d}}
.iw h1{font-size:1.45rem;line-height:1.25;font-weight:650;letter-spacing:-.01em;
margin:0 0 .25rem;overflow-wrap:anywhere}
.iw h2{font-size:1rem;font-weight:620;margin:0 0 .75rem;overflow-wrap:anywhere}
.iw .iw-origin,.iw .iw-note,.iw .iw-legend{color:var(--soft);font-size:.84rem;margin:.35rem 0;text-align:left}
.iw .iw-origin{overflow-wrap:anywhere}
.iw .iw-view{margin:2rem 0 0}
.iw .iw-legend{display:flex;flex-wrap:wrap;gap:.25rem 1rem;align-items:center}
.iw .iw-legend span{display:inline-flex;align-items:center;gap:.4rem}
.iw .iw-scroll{overflow-x:auto;max-width:100%}
.iw details{margin:.6rem 0;font-size:.88rem}
.iw summary{cursor:pointer;color:var(--soft);width:fit-content}
.iw summary:hover{color:var(--text)}
.iw :focus-visible{outline:2px solid var(--pos);outline-offset:2px}
"""

_PARTS = """
.iw .iw-checks{list-style:none;margin:1.25rem 0 0;padding:0;border-top:1px solid var(--line);text-align:left}
.iw .iw-checks li{display:grid;grid-template-columns:3.6rem 1fr auto;gap:0 .75rem;
padding:.4rem .5rem;margin:0;
border-bottom:1px solid var(--line);font-size:.88rem}
.iw .iw-checks .iw-verdict{font-weight:600;color:var(--soft)}
.iw .iw-checks .iw-name{overflow-wrap:anywhere}
.iw .iw-checks .iw-why{grid-column:2/-1;color:var(--soft)}
.iw .iw-checks .iw-pass .iw-verdict{color:var(--ok)}
.iw .iw-checks .iw-fail{background:var(--badbg)}
.iw .iw-checks .iw-fail .iw-verdict{color:var(--bad)}
.iw table{border-collapse:collapse;font-size:.86rem;margin:.35rem 0;background:none;color:inherit;border:0}
.iw th,.iw td{padding:.22rem .7rem;text-align:left;border:0;border-bottom:1px solid var(--line);
white-space:pre-wrap;background:none}
.iw thead th{font-weight:600;color:var(--soft);border-bottom:1px solid var(--soft);white-space:nowrap}
.iw tbody th{font-weight:500}
.iw details td,.iw .iw-num{text-align:right;white-space:nowrap}
.iw dl.iw-card{margin:0;display:grid;gap:0;max-width:44rem}
.iw dl.iw-card div{display:grid;grid-template-columns:minmax(8rem,14rem) 1fr;gap:1rem;padding:.28rem 0;
border-bottom:1px solid var(--line);font-size:.9rem}
.iw dl.iw-card dt{color:var(--soft);font-weight:400;overflow-wrap:anywhere}
.iw dl.iw-card dd{margin:0;overflow-wrap:anywhere;white-space:pre-wrap;text-align:left}
"""

_TOKENS = """
.iw .iw-tokens{line-height:2.15;overflow-wrap:anywhere;text-align:left;
font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:.92rem}
.iw .iw-t{display:inline-block;line-height:1.3;padding:.16rem .22rem;margin:0 1px 0 0;border-radius:3px;
border-bottom:2px solid transparent;white-space:pre-wrap}
.iw .iw-t i{font-style:normal;opacity:.38}
.iw .iw-t small{display:block;font-size:.68rem;text-align:center;opacity:.85;
font-family:system-ui,sans-serif}
.iw .iw-pos{background:color-mix(in srgb,var(--pos) var(--a),var(--bg));color:var(--on)}
.iw .iw-neg{background:color-mix(in srgb,var(--neg) var(--a),var(--bg));color:var(--on);
border-bottom:2px dotted var(--neg)}
.iw .iw-t.iw-hi{color:var(--on-hi)}
.iw .iw-special{outline:1px dashed var(--soft);outline-offset:-1px}
.iw .iw-nan,.iw .iw-hatch{background:repeating-linear-gradient(135deg,var(--line) 0 2px,transparent 2px 6px)}
.iw .iw-hatch{display:inline-block;width:14px;height:12px;border:1px solid var(--line)}
"""

_PICTURES = """
.iw svg{display:block;overflow:visible;font-family:inherit;max-width:none}
.iw svg text{font-size:11.5px;fill:var(--text);font-variant-numeric:tabular-nums}
.iw svg .iw-p{fill:var(--pos)}.iw svg .iw-n{fill:var(--neg)}
.iw svg .iw-void{fill:none;stroke:var(--line)}
.iw svg .iw-lines{stroke:var(--soft);stroke-width:1;fill:none;opacity:.55}
.iw svg .iw-frame{fill:none;stroke:var(--line)}
.iw svg .iw-pixels{image-rendering:pixelated}
.iw svg .iw-row{text-anchor:end;dominant-baseline:central}
.iw svg .iw-up{text-anchor:start;dominant-baseline:central}
.iw svg .iw-col{text-anchor:middle}
.iw svg .iw-axis{text-anchor:middle;fill:var(--soft)}
.iw svg .iw-cell{text-anchor:middle;dominant-baseline:central;font-size:10.5px;
fill:var(--on);pointer-events:none}
.iw svg .iw-cell.iw-hi{fill:var(--on-hi)}
.iw svg.iw-scale text{font-size:10.5px;fill:var(--soft)}
.iw svg .iw-grid{stroke:var(--line);fill:none}.iw svg .iw-zero{stroke:var(--soft);fill:none}
.iw svg .iw-line{fill:none;stroke:currentColor;stroke-width:1.8;stroke-linejoin:round}
.iw svg circle{fill:currentColor}.iw svg .iw-band{fill:currentColor;fill-opacity:.16;stroke:none}
.iw .iw-legend>span[class^=iw-s] svg{flex:none}
"""

_SERIES = "".join(f".iw svg .iw-s{index},.iw .iw-s{index} svg{{color:var(--s{index})}}" for index in range(8))

STYLE = (_THEMES + _TEXT + _PARTS + _TOKENS + _PICTURES + _SERIES).strip()
