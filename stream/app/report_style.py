"""How the report looks: light and dark, wide and narrow."""

STYLE = """
:root { color-scheme: light dark;
  --back: #ffffff; --panel: #f5f6f8; --text: #1c2128; --faint: #5b6472; --line: #d9dde3;
  --served: #1f5fbf; --no-change: #8a8f98; --majority: #b38a3c; --estimate: #2f8f6b;
  --concept: #c2382e; --data: #d07a00; --prediction: #7d4cc2; --schema: #00808f; --label: #a83a7d;
  --before: #8fa3bd; --after: #d07a00; --promotion: #2f7d32; --rollback: #5b3a1e; }
@media (prefers-color-scheme: dark) { :root {
  --back: #14171c; --panel: #1d2229; --text: #e4e8ee; --faint: #98a2b0; --line: #343b45;
  --served: #6ea8ff; --no-change: #8c939e; --majority: #d4ac60; --estimate: #5cc79d;
  --concept: #ff7b70; --data: #ffb04d; --prediction: #bb95ff; --schema: #4fd0e0; --label: #f08ac6;
  --before: #5f7694; --after: #ffb04d; --promotion: #7bd17f; --rollback: #d9b08c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.25rem; background: var(--back);
  color: var(--text); font: 15px/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
p { margin: .3rem 0; } .faint, figcaption, .axis { color: var(--faint); font-size: .82rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .6rem;
  margin-top: 1rem; }
.tile, article { background: var(--panel); border-radius: .5rem; padding: .7rem .85rem; }
.tile b { display: block; font-size: 1.3rem; font-variant-numeric: tabular-nums; }
.plot { position: relative; height: 15rem; border-bottom: 1px solid var(--line); }
.plot.low { height: 9rem; } .plot.small { height: 3.6rem; } .plot.bars { height: 6.5rem; }
.plot svg { width: 100%; height: 100%; display: block; overflow: visible; }
.plot .top, .plot .bottom { position: absolute; left: .2rem; color: var(--faint);
  font-size: .75rem; background: var(--back); padding: 0 .2rem; border-radius: .2rem; }
article .top, article .bottom { background: var(--panel); }
.plot .top { top: 0; } .plot .bottom { bottom: 0; }
.axis { display: flex; justify-content: space-between; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: .3rem 0; font-size: .85rem; }
.legend i { display: inline-block; width: .9rem; height: .25rem; border-radius: 2px;
  margin-right: .35rem; vertical-align: middle; }
polyline { fill: none; stroke-width: 2; vector-effect: non-scaling-stroke;
  stroke-linejoin: round; }
.grid { stroke: var(--line); stroke-width: 1; vector-effect: non-scaling-stroke; }
.mark { stroke-width: 2; stroke-dasharray: 5 3; vector-effect: non-scaling-stroke; }
""" + "".join(
    f"polyline.{kind}, line.{kind} {{ stroke: var(--{kind}); }} "
    f".legend .{kind}, .badge.{kind} {{ background: var(--{kind}); }} "
    for kind in (
        "served", "no-change", "majority", "estimate", "concept", "data", "prediction", "schema",
        "label", "before", "after", "promotion", "rollback",
    )
) + """
polyline.estimate { stroke-dasharray: 5 4; }
rect.before { fill: var(--before); } rect.after { fill: var(--after); }
.alarms { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(22rem, 100%), 1fr));
  gap: .8rem; }
.badge { color: var(--back); border-radius: 1rem; padding: .05rem .6rem; font-size: .8rem;
  font-weight: 600; }
.many { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(13rem, 100%), 1fr));
  gap: .8rem; }
figure { margin: .4rem 0 0; } table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid var(--line);
  font-size: .88rem; vertical-align: top; } td.n { text-align: right;
  font-variant-numeric: tabular-nums; } .scroll { overflow-x: auto; }
"""
