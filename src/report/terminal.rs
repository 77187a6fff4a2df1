//! The report for a terminal: as wide as it is, coloured only when asked, complete without.

use super::{
    Style, View,
    screen::Screen,
    spark::spark,
    view::{CheckView, Fact, Gauge, Reason, Tone},
};

/// Columns of the questions.
const QUESTION: usize = 25;

pub(super) fn render(view: &View, style: Style) -> String {
    let mut page = Screen::new(style);
    first_screen(&mut page, view);
    if !view.right.is_empty() {
        page.heading("what went right");
        for item in &view.right {
            page.item("✓ ", Tone::Good, item);
        }
    }
    page.heading("checks");
    checks(&mut page, &view.checks);
    if !view.steady.is_empty() {
        page.heading("steady state before");
        checks(&mut page, &view.steady);
    }
    indicators(&mut page, view);
    pods(&mut page, view);
    page.heading("timeline, less ordinary events");
    for entry in view.timeline.entries.iter().filter(|entry| !entry.ordinary) {
        let lead = format!("{:>8}  {}  {:<9} ", entry.after, entry.clock, entry.kind);
        page.item(&lead, Tone::Plain, &entry.text);
    }
    page.heading("data");
    facts(&mut page, &view.trust.ledger);
    page.heading("run");
    facts(&mut page, &view.provenance);
    page.finish()
}

fn first_screen(page: &mut Screen, view: &View) {
    let tone = Tone::of(view.outcome);
    page.title(&format!("{} {}", view.sign(), view.word()), tone, &view.name);
    page.wrapped("", &view.headline);
    page.blank();
    page.wrapped("  ", &view.claim);
    page.wrapped("  ", &format!("run {}", view.run_id));
    page.blank();
    for (place, answer) in view.answers.iter().enumerate() {
        page.answer(answer, QUESTION);
        if let (2, Some(gauge)) = (place, view.gauge) {
            let indent = " ".repeat(if page.is_slim() { 4 } else { QUESTION + 4 });
            let room = if page.is_slim() { 20 } else { 32 };
            page.row(&format!("{indent}{}", bar(gauge, room)));
        }
    }
}

fn checks(page: &mut Screen, checks: &[CheckView]) {
    for check in checks {
        let tone = Tone::of(check.outcome);
        let word = check.word();
        let lead = if page.is_slim() {
            format!("  {} {word} ", check.sign())
        } else {
            format!("  {} {word:<12} ", check.sign())
        };
        page.item(&lead, tone, &check.id);
        page.wrapped("      ", &check.objective);
        let worst = match check.worst.as_str() {
            "" => String::new(),
            worst => format!("{worst} at {}", check.worst_at),
        };
        let parts = [
            ("observed ", &check.observed),
            ("", &check.interval),
            ("margin ", &check.margin),
            ("in breach ", &check.breach),
            ("longest ", &check.longest),
            ("worst ", &worst),
            ("", &check.recovery),
            ("points ", &check.points),
            ("worth ", &check.n_eff),
        ];
        let said: Vec<String> = parts
            .iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| format!("{name}{text}"))
            .collect();
        page.wrapped("      ", &said.join("; "));
        for Reason { code, text } in &check.reasons {
            page.item("      ! ", Tone::Unsure, &format!("{text} [{code}]"));
        }
    }
}

fn indicators(page: &mut Screen, view: &View) {
    page.heading("indicators");
    // A cell narrower than the grid's step would have no point in it, and look like a gap.
    let points = view.figures.iter().map(|figure| figure.dots.len()).max().unwrap_or(0);
    let width = page.width().saturating_sub(4).min(80).min((points * 9 / 10).max(1));
    for figure in &view.figures {
        page.wrapped("  ", &format!("{}: {}", figure.name, figure.how));
        page.row(&format!("  {}", spark(figure, &view.scene, width)));
        page.wrapped("      ", &figure.description);
    }
    page.row(&format!("  {}", phases(view, width)));
    page.wrapped("  ", &format!("zero is {}; · is no number", view.scene.zero_text));
}

/// The phases under the sparklines, each name where its phase begins.
fn phases(view: &View, width: usize) -> String {
    let scene = &view.scene;
    let length = scene.end - scene.start;
    let mut line = vec![' '; width];
    for (phase, from, _) in &scene.phases {
        let column = ((from - scene.start) / length * width as f64).round() as usize;
        let name = std::iter::once('└').chain(phase.name().chars());
        for (cell, c) in line.iter_mut().skip(column).zip(name) {
            *cell = c;
        }
    }
    line.into_iter().collect::<String>().trim_end().to_owned()
}

fn pods(page: &mut Screen, view: &View) {
    let fault = &view.fault;
    page.heading("fault");
    page.wrapped("  ", &fault.asked);
    for item in fault.evidence.iter().chain(&fault.mechanisms) {
        let lead = format!("  {} ", item.tone.sign());
        page.item(&lead, item.tone, &format!("{}: {}: {}", item.asked, item.state, item.seen));
    }
    for pod in &fault.recovered {
        let took = if pod.took.is_empty() { String::new() } else { format!(", {}", pod.took) };
        let text = format!("{} lost {}; {} ready {}{took}", pod.pod, pod.lost, pod.by, pod.ready);
        page.item("  · ", Tone::Plain, &text);
    }
}

fn facts(page: &mut Screen, facts: &[Fact]) {
    for fact in facts {
        page.item(&format!("  {}: ", fact.name), Tone::Plain, &fact.text);
    }
}

/// `[##############|....]`: the room used, and where the bound is.
fn bar(gauge: Gauge, room: usize) -> String {
    let used = (gauge.used * room as f64).round() as usize;
    let inside = "#".repeat(used.min(room)) + &".".repeat(room.saturating_sub(used));
    let beyond = "#".repeat(used.saturating_sub(room));
    format!("[{inside}|{beyond} bound")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{self, Sample};

    fn first(sample: &Sample, width: usize) -> String {
        let view = View::new(&sample.subject());
        let text = render(&view, Style { colour: false, width });
        let end = text.find("\nwhat went right").or_else(|| text.find("\nchecks")).unwrap();
        text[..end].to_owned()
    }

    #[test]
    fn the_first_screen_answers_what_a_reader_asks() {
        insta::assert_snapshot!(first(&fixture::held(), 80), @r"
        ✓ PASS  api-survives-pod-loss
        Held, and for the reason claimed

          If 30% of the API's pods are killed, p99 latency at the gateway stays under
          200 ms.
          run 20261123T021400Z-7f3a

          Did it hold?             ✓ Yes: all 5 checks hold.
          For the reason claimed?  ✓ Yes: what should absorb it was seen at work.
                                     - app=api replaced within 30 s: 3 of 3 replaced and
                                       ready, the slowest after 12.4 s
          How much room was left?  · 17 % of room left: 166 ms of 200 ms at worst,
                                     02:15:09 (+9 s).
                                     - tightest check: latency_p99.during.below
                                     - margin between 13 % and 25 %
                                     [###########################.....| bound
          Was the fault real?      ✓ Yes: 3 of 10 pods lost, 3 asked.
                                     - at most 3 down at once, of 10 ready
                                     - 33.1 pod-seconds of readiness lost
                                     - no pod outside the selector was lost
                                     - pods lost of app=api, at least 30 %: 3 of 10, by
                                       uid
          What can I not trust?    ? 5 things to keep in mind.
                                     - latency_p99.after.recovers (after): 3 of 60
                                       points have no number
                                     - latency_p99.after.within: 55 points are worth
                                       only 8.6 independent ones
                                     - latency_p99: up to 12 increments (0.0236 % of
                                       what was seen) went unseen with 3 series that
                                       ended; 17 were counted before the first scrape of
                                       3 series that began
                                     - scrapes that failed: 4 refused and 1 timeout (of
                                       1747)
                                     - 1 line of metrics could not be read
        ");
    }

    #[test]
    fn what_could_not_be_told_comes_with_its_reason() {
        insta::assert_snapshot!(first(&fixture::not_injected(), 80), @r"
        ? INCONCLUSIVE  api-survives-pod-loss
        Before was not seen to be steady (latency_p99.during.below), so what followed
        cannot be told from what was there already

          If 30% of the API's pods are killed, p99 latency at the gateway stays under
          200 ms.
          run 20261123T021400Z-7f3a

          Did it hold?             ? It could not be told; 0 of 5 checks hold.
                                     - before was not seen to be steady
                                       (latency_p99.during.below), so what followed
                                       cannot be told from what was there already
                                     - nothing was injected, because before was not seen
                                       to be steady
                                     - latency_p99.during.below,
                                       error_ratio.during.below and ready.during.above:
                                       the run did not reach during
                                     - latency_p99.after.within and
                                       latency_p99.after.recovers: the run did not reach
                                       after
          For the reason claimed?  ? It could not be told: the mechanism could not be
                                     seen.
                                     - app=api replaced within 30 s: nothing was
                                       injected
          How much room was left?  ? It could not be told: no margin could be measured.
          Was the fault real?      ? Nothing was injected.
                                     - pods lost of app=api, at least 30 %: nothing was
                                       injected
          What can I not trust?    ? 6 things to keep in mind.
                                     - nothing was injected, because before was not
                                       steady
                                     - latency_p99.during.below (during),
                                       error_ratio.during.below (during) and
                                       ready.during.above (during): the run did not
                                       reach during
                                     - latency_p99.after.within (after) and
                                       latency_p99.after.recovers (after): the run did
                                       not reach after
                                     - latency_p99: up to 12 increments (0.0236 % of
                                       what was seen) went unseen with 3 series that
                                       ended; 17 were counted before the first scrape of
                                       3 series that began
                                     - scrapes that failed: 4 refused and 1 timeout (of
                                       1747)
                                     - 1 line of metrics could not be read
        ");
    }

    #[test]
    fn a_slim_terminal_gets_one_column() {
        insta::assert_snapshot!(first(&fixture::failed(), 48), @r"
        ✗ FAIL  api-survives-pod-loss
        The hypothesis did not hold

          If 30% of the API's pods are killed, p99
          latency at the gateway stays under 200 ms.
          run 20261123T021400Z-7f3a

          Did it hold?
          ✗ No: 1 of 5 checks did not hold.
            - latency_p99.during.below did not hold:
              19 % beyond the bound: 238 ms of 200 ms at
              worst, 02:15:09 (+9 s)
          For the reason claimed?
          ✓ Yes: what should absorb it was seen at work.
            - app=api replaced within 30 s: 3 of 3
              replaced and ready, the slowest after
              12.4 s
          How much room was left?
          ✗ 19 % beyond the bound: 238 ms of 200 ms at
            worst, 02:15:09 (+9 s).
            - tightest check: latency_p99.during.below
            - margin between -25 % and 0 %
            [####################|#### bound
          Was the fault real?
          ✓ Yes: 3 of 10 pods lost, 3 asked.
            - at most 3 down at once, of 10 ready
            - 33.1 pod-seconds of readiness lost
            - no pod outside the selector was lost
            - pods lost of app=api, at least 30 %: 3 of
              10, by uid
          What can I not trust?
          ? 5 things to keep in mind.
            - latency_p99.after.recovers (after): 3 of
              60 points have no number
            - latency_p99.after.within: 55 points are
              worth only 8.6 independent ones
            - latency_p99: up to 12 increments (0.0236 %
              of what was seen) went unseen with 3
              series that ended; 17 were counted before
              the first scrape of 3 series that began
            - scrapes that failed: 4 refused and 1
              timeout (of 1747)
            - 1 line of metrics could not be read
        ");
    }
}
