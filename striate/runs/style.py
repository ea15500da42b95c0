"""How a report looks: the studio's colours and type, in light and in dark, from 360 pixels up."""

STYLE = """
:root {
  --page: #fff;
  --text: #16181d;
  --quiet: #5d636e;
  --faint: #e4e6ea;
  --answer: #1f5fd6;
  --alarm: #a33a00;
  color-scheme: light dark;
  font: 15px/24px system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
  font-variant-numeric: tabular-nums;
  color: var(--text);
  background: var(--page);
}
@media (prefers-color-scheme: dark) {
  :root { --page: #121316; --text: #eceef2; --quiet: #a0a6b2; --faint: #2a2d34; --answer: #7fb0ff; --alarm: #ffb084; }
}
* { box-sizing: border-box; margin: 0; }
body { max-width: 1008px; margin: 0 auto; padding: 32px 16px 96px; }
h1 { font-size: 28px; line-height: 36px; letter-spacing: -0.01em; font-weight: 600; text-wrap: balance; }
h2 { font-size: 18px; line-height: 24px; font-weight: 600; margin: 56px 0 4px; }
h3 { font-size: 15px; line-height: 24px; font-weight: 600; }
p { max-width: 680px; color: var(--quiet); }
.lead { margin: 12px 0 8px; font-size: 17px; line-height: 28px; color: var(--text); }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 288px), 1fr)); gap: 24px 32px; }
.pair, .scroll, .mistakes, ul, dl { margin-top: 16px; }
svg { display: block; width: 100%; max-width: 400px; height: auto; overflow: visible; }
svg text { font-size: 12px; fill: var(--quiet); }
svg text.validation { fill: var(--answer); }
.grid { stroke: var(--faint); stroke-width: 1; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.line.train { stroke: var(--quiet); stroke-width: 1.5; stroke-dasharray: 4 3; }
.line.validation { stroke: var(--answer); }
.dot { opacity: 0; }
.dot.train { fill: var(--quiet); }
.dot.validation { fill: var(--answer); }
.dot:hover { opacity: 1; }
.bar { fill: var(--answer); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { padding: 4px 12px 4px 0; text-align: right; font-weight: 400; white-space: nowrap; }
thead th { color: var(--quiet); vertical-align: bottom; white-space: normal; }
th:first-child { text-align: left; }
.classes td { padding-left: 12px; }
.confusion td { min-width: 52px; padding: 8px 10px; text-align: center; border: 1px solid var(--page); }
.confusion thead th { padding: 4px 10px; text-align: center; }
.share { display: inline-block; width: 64px; height: 6px; margin: 0 0 0 8px; background: var(--faint); }
.share i { display: block; height: 100%; background: var(--answer); }
.mistakes { display: grid; grid-template-columns: repeat(auto-fill, minmax(max(96px, 14%), 1fr)); gap: 24px 12px; }
@media (max-width: 480px) { .share { display: none; } }
figure img { display: block; width: 100%; aspect-ratio: 1; object-fit: cover; background: var(--faint); }
figcaption { margin-top: 8px; font-size: 13px; line-height: 20px; color: var(--quiet); overflow-wrap: anywhere; }
figcaption b { display: block; font-weight: 600; color: var(--text); }
ul { padding: 0; list-style: none; max-width: 800px; }
li { padding: 8px 0; border-top: 1px solid var(--faint); overflow-wrap: anywhere; }
li span { color: var(--quiet); display: block; font-size: 13px; line-height: 20px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 24px; }
dt { color: var(--quiet); }
dd { overflow-wrap: anywhere; }
"""
