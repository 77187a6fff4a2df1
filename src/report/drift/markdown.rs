//! The report on a history for the summary of a CI step or a comment on a pull request.

use super::{DriftView, Tone, terminal::spark};
use crate::report::markup::{Markup, markup};

/// How wide the line of blocks is.
const WIDTH: usize = 72;

pub(super) fn render(view: &DriftView) -> String {
    let mut lines: Vec<Markup> = Vec::new();
    let sign = Markup::own(match view.tone {
        Tone::Good => "✅",
        Tone::Bad => "❌",
        Tone::Unsure | Tone::Plain => "❔",
    });
    let blank = Markup::default;
    let word = Markup::own(view.word);
    lines.push(markup!("## {} {}: {}", sign, word, Markup::prose(&view.headline)));
    lines.extend([blank(), Markup::code(&view.name)]);
    if !view.chart.dots.is_empty() {
        let blocks = spark(&view.chart.dots, WIDTH);
        lines.extend([blank(), Markup::code(&blocks)]);
    }
    lines.extend([blank(), Markup::own("| | |"), Markup::own("|---|---|")]);
    for answer in &view.answers {
        let sign = Markup::own(answer.tone.sign());
        let mut said = vec![markup!("{} **{}**", sign, Markup::prose(&answer.text))];
        said.extend(answer.details.iter().map(|detail| Markup::prose(detail)));
        let said = Markup::joined(&said, "<br>");
        lines.push(markup!("| {} | {} |", Markup::own(answer.question), said));
    }
    if !view.regimes.is_empty() {
        lines.extend([blank(), Markup::own("### Regimes"), blank()]);
        lines.push(Markup::own("| rows | runs | level | slope | begins |\n|---|---|---|---|---|"));
        for regime in &view.regimes {
            let cells = [&regime.rows, &regime.runs, &regime.level, &regime.slope, &regime.begins];
            let cells = cells.map(|cell| Markup::prose(cell));
            lines.push(markup!("| {} |", Markup::joined(&cells, " | ")));
        }
    }
    lines.extend([blank(), Markup::own("<details><summary>Method</summary>"), blank()]);
    for fact in &view.method {
        lines.push(markup!("- {}: {}", Markup::prose(&fact.name), Markup::prose(&fact.text)));
    }
    lines.extend([blank(), Markup::own("</details>")]);
    Markup::joined(&lines, "\n").as_str().to_owned() + "\n"
}
