extension HTMLRenderer {
    /// Must hold no `<`, `>` or `&`, so that the page is well-formed XML as well.
    ///
    /// Blue and orange tell apart for nearly every eye; a sign or a shape always says the same again.
    static let styleSheet = """
        :root {
          color-scheme: light dark;
          --page: #fbfbfa; --card: #ffffff; --text: #1c1e21; --soft: #5d636b; --line: #e3e4e6; --grid: #ececee;
          --blue: #1f6feb; --blue-soft: #e8f0fd; --orange: #c8690a; --orange-soft: #fcf0e2; --gray: #8b929b;
          --code: #f3f4f5; --s2: #0b8a6b; --s3: #a6478c; --s4: #6a737d; --s5: #2a9fc7;
          --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", Arial, sans-serif;
          --mono: ui-monospace, SFMono-Regular, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --page: #121417; --card: #1a1d21; --text: #e4e6e9; --soft: #9ba3ad; --line: #2e3339; --grid: #272b31;
            --blue: #5b9cf5; --blue-soft: #17263d; --orange: #e8954a; --orange-soft: #33240f; --gray: #737c87;
            --code: #24282e; --s2: #3dbb98; --s3: #d382bd; --s4: #a2abb5; --s5: #6cc4e4;
          }
        }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.6 var(--sans);
          -webkit-text-size-adjust: 100%; overflow-wrap: anywhere; }
        main { max-width: 820px; margin: 0 auto; padding: 56px 24px 80px; }
        h1 { font-size: 1.75rem; line-height: 1.25; font-weight: 650; letter-spacing: -0.015em; margin: 0; }
        h2 { font-size: 1.2rem; line-height: 1.35; font-weight: 650; letter-spacing: -0.01em; margin: 48px 0 12px; }
        h3 { font-size: 0.8125rem; font-weight: 600; color: var(--soft); margin: 0 0 6px; }
        p { margin: 0 0 16px; max-width: 68ch; white-space: pre-line; }
        code, pre, .code { font-family: var(--mono); }
        code { font-size: 0.9em; }
        .subtitle { color: var(--soft); margin: 8px 0 0; }
        .verdict { display: flex; gap: 14px; align-items: flex-start; margin: 28px 0 32px; padding: 18px 20px;
          border-radius: 10px; border: 1px solid var(--line); background: var(--card); }
        .verdict p { margin: 0; font-size: 1.0625rem; line-height: 28px; font-weight: 500; }
        .verdict .mark { flex: none; width: 28px; height: 28px; border-radius: 50%; text-align: center;
          font-weight: 700; line-height: 28px; color: var(--card); background: var(--gray); }
        .verdict.good { background: var(--blue-soft); border-color: transparent; }
        .verdict.good .mark { background: var(--blue); }
        .verdict.bad { background: var(--orange-soft); border-color: transparent; }
        .verdict.bad .mark { background: var(--orange); }
        .verdict.mixed { border-color: var(--orange); }
        .verdict.mixed .mark { background: var(--orange); }
        dl { display: grid; grid-template-columns: fit-content(40%) 1fr; gap: 6px 24px; margin: 0 0 20px; }
        dt { color: var(--soft); }
        dd { margin: 0; font-variant-numeric: tabular-nums; }
        .scroll { overflow-x: auto; margin: 0 0 20px; }
        table { border-collapse: collapse; font-size: 0.9063rem; min-width: 50%; overflow-wrap: normal; }
        caption { text-align: left; color: var(--soft); padding: 0 0 8px; }
        th, td { text-align: left; padding: 7px 16px 7px 0; border-bottom: 1px solid var(--line); vertical-align: top;
          white-space: pre-line; }
        th { font-weight: 600; color: var(--soft); font-size: 0.8125rem; vertical-align: bottom; }
        td:first-child { min-width: 8em; }
        th:last-child, td:last-child { padding-right: 2px; }
        .number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
        th.number { white-space: pre-line; }
        td code { background: var(--code); border-radius: 4px; padding: 1px 5px; white-space: pre-wrap; }
        .highlight { font-weight: 600; }
        .highlight.good { color: var(--blue); }
        .highlight.bad, .highlight.mixed { color: var(--orange); }
        figure { margin: 16px 0 24px; padding: 20px; background: var(--card); border: 1px solid var(--line);
          border-radius: 10px; }
        figcaption { font-size: 0.9375rem; font-weight: 550; margin: 0 0 14px; max-width: 68ch; }
        details { margin-top: 14px; font-size: 0.875rem; }
        summary { color: var(--soft); cursor: pointer; width: max-content; border-radius: 4px; }
        details .scroll { margin: 10px 0 0; max-height: 420px; overflow-y: auto; }
        :focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
        .empty { color: var(--soft); margin: 0; }
        svg { display: block; overflow: visible; }
        svg text { font: 12px var(--sans); fill: var(--soft); font-variant-numeric: tabular-nums; }
        svg text.code { font-family: var(--mono); font-size: 11.5px; }
        svg .axis-title { font-weight: 550; }
        svg .point-label { fill: var(--text); }
        .grid { stroke: var(--grid); }
        .axis { stroke: var(--gray); }
        .interval { stroke: var(--text); stroke-width: 1.5; }
        .fill0 { fill: var(--blue); background: var(--blue); }
        .fill1 { fill: var(--orange); background: var(--orange); }
        .fill2 { fill: var(--s2); background: var(--s2); }
        .fill3 { fill: var(--s3); background: var(--s3); }
        .fill4 { fill: var(--s4); background: var(--s4); }
        .fill5 { fill: var(--s5); background: var(--s5); }
        .positive, .after { fill: var(--blue); }
        .negative, .before { fill: var(--orange); }
        .track { fill: var(--grid); }
        .cell { stroke: var(--grid); }
        .gap { fill: none; stroke: var(--line); stroke-dasharray: 2 2; }
        .key { display: flex; align-items: center; gap: 6px; margin: 0 0 12px; white-space: normal; font-size: 0.8125rem;
          color: var(--soft); }
        .scroll + .key { margin: 0; }
        .key span { white-space: nowrap; }
        .strongest { margin: 8px 0 0; font-size: 0.875rem; }
        .swatch { width: 12px; height: 8px; border-radius: 2px; }
        .swatch.before { background: var(--orange); }
        .swatch.after { background: var(--blue); margin-left: 10px; }
        .tokens { display: grid; grid-template-columns: repeat(auto-fill, minmax(142px, 1fr)); gap: 8px; margin: 0;
          padding: 0; list-style: none; }
        .token { min-width: 0; padding: 9px 11px; border: 1px solid var(--line); border-radius: 8px; }
        .token .label { display: flex; justify-content: space-between; gap: 10px; margin-bottom: 6px;
          font-weight: 600; }
        .token .label code { white-space: pre-wrap; font-size: 0.9375rem; }
        .token.fixed { border-color: var(--blue); background: var(--blue-soft); }
        .token.fixed .state { color: var(--blue); }
        .token.wrong { border-color: var(--orange); background: var(--orange-soft); }
        .token.wrong .state { color: var(--orange); }
        .token .instead { display: block; color: var(--soft); font-size: 0.8125rem; min-height: 1.3rem;
          overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
        .probability { display: grid; grid-template-columns: minmax(24px, 1fr) 6.5ch; gap: 6px; align-items: center;
          font-size: 0.75rem; line-height: 1.45; color: var(--soft); text-align: right;
          font-variant-numeric: tabular-nums; }
        .gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(104px, 1fr)); gap: 14px; margin: 0;
          padding: 0; list-style: none; font-size: 0.8125rem; line-height: 1.35; }
        .gallery li { min-width: 0; }
        .gallery img { display: block; width: 96px; height: 96px; object-fit: contain; object-position: left;
          image-rendering: pixelated; margin-bottom: 6px; }
        .gallery .title { display: block; font-weight: 600; }
        .gallery .text { color: var(--soft); }
        .bars { display: grid; grid-template-columns: minmax(60px, max-content) minmax(80px, 1fr) max-content;
          column-gap: 14px; align-items: center; font-size: 0.875rem; }
        .bars .label { text-align: right; max-width: 240px; padding: 4px 0; line-height: 1.3; }
        .bars .value { text-align: right; font-variant-numeric: tabular-nums; }
        .plot { display: grid; grid-template-columns: 52px 1fr; padding: 6px 16px 0 0; }
        .y-title { font-size: 12px; font-weight: 550; color: var(--soft); margin: 0 0 10px; }
        .legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 0 0 12px; padding: 0; list-style: none;
          font-size: 0.875rem; }
        .legend li { display: flex; align-items: center; gap: 6px; }
        .line { stroke-width: 2; stroke-linecap: round; }
        .marker { stroke-width: 1.5; }
        .series0 { stroke: var(--blue); fill: var(--blue); }
        .series1 { stroke: var(--orange); fill: var(--orange); }
        .series2 { stroke: var(--s2); fill: var(--s2); }
        .series3 { stroke: var(--s3); fill: var(--s3); }
        .series4 { stroke: var(--s4); fill: none; }
        .series5 { stroke: var(--s5); fill: none; }
        .sides { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 16px; }
        pre { margin: 0; padding: 12px 14px; background: var(--code); border-radius: 8px; font-size: 0.875rem;
          line-height: 1.55; white-space: pre-wrap; }
        del, ins { text-decoration: none; border-radius: 3px; padding: 1px 2px; }
        del { background: var(--orange-soft); color: var(--orange); text-decoration: line-through; }
        ins { background: var(--blue-soft); color: var(--blue); font-weight: 600; }
        @media (max-width: 560px) {
          main { padding: 28px 16px 48px; }
          h1 { font-size: 1.4rem; }
          h2 { margin-top: 36px; }
          figure { padding: 16px 14px; }
          dl { grid-template-columns: 1fr; gap: 0; }
          dd { margin-bottom: 8px; }
          .sides { grid-template-columns: 1fr; }
          .bars { grid-template-columns: minmax(80px, 1fr) max-content; column-gap: 10px; }
          .bars .label { grid-column: 1 / -1; max-width: none; text-align: left; padding: 4px 0 0; }
          .odd { display: none; }
          .tokens { grid-template-columns: repeat(2, minmax(0, 1fr)); }
          th, td { padding-right: 16px; }
        }
        @media print {
          :root {
            --page: #ffffff; --card: #ffffff; --text: #000000; --soft: #444444; --line: #cccccc; --grid: #e4e4e4;
            --blue: #1f6feb; --blue-soft: #e8f0fd; --orange: #c8690a; --orange-soft: #fcf0e2; --gray: #777777;
            --code: #f3f4f5; --s2: #0b8a6b; --s3: #a6478c; --s4: #6a737d; --s5: #2a9fc7;
          }
          body { font-size: 11pt; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
          main { max-width: none; padding: 0; }
          figure, .verdict, tr { break-inside: avoid; }
          h2, figcaption { break-after: avoid; }
          details { display: none; }
          .scroll { overflow: visible; }
        }

        """
}
