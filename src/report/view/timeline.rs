//! What happened, in order: phases, the injector, pods, Kubernetes events, blind watches.

use super::{
    super::{
        Subject,
        text::{cap, plain, relative, seconds_text},
    },
    figure::Scene,
};
use crate::{frame::FaultAction, time::Time, window::Phase};

/// How many entries a report shows; the rest are in the recording.
const MOST: usize = 150;
/// How long a message may be.
const LONGEST: usize = 240;

/// What happened, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline {
    /// The entries, by time.
    pub(crate) entries: Vec<Entry>,
    /// How many ordinary events were left out.
    pub(crate) left_out: usize,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// When, from zero: `+9 s`.
    pub(crate) after: String,
    /// When: `02:15:09`.
    pub(crate) clock: String,
    /// The kind of thing.
    pub(crate) kind: &'static str,
    /// Whether it is an ordinary event, which stands back behind what was done and came of it.
    pub(crate) ordinary: bool,
    /// What happened.
    pub(crate) text: String,
}

/// What must be shown comes first when there is too much.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Essential,
    Warning,
    Normal,
}

impl Timeline {
    pub(super) fn new(subject: &Subject<'_>, scene: &Scene) -> Self {
        let mut found = Vec::new();
        phases(subject, &mut found);
        injector(subject, &mut found);
        pods(subject, &mut found);
        watches(subject, &mut found);
        events(subject, &mut found);
        // Stable: of things at one time, causes were put in before effects.
        found.sort_by_key(|(weight, time, ..)| (*weight, *time));
        let left_out = found.len().saturating_sub(MOST);
        found.truncate(MOST);
        found.sort_by_key(|(weight, time, ..)| (*time, *weight));
        let entry = |(weight, time, kind, text): (Weight, Time, &'static str, String)| Entry {
            after: relative(scene.seconds(time)),
            clock: time.clock_text(),
            kind,
            ordinary: weight == Weight::Normal,
            text: cap(&plain(&text), LONGEST),
        };
        Self { entries: found.into_iter().map(entry).collect(), left_out }
    }
}

type Found = Vec<(Weight, Time, &'static str, String)>;

fn phases(subject: &Subject<'_>, found: &mut Found) {
    let phases = subject.observed.phases;
    for phase in Phase::ALL {
        if let Some(window) = phases.window(phase) {
            let length = seconds_text(window.length().as_secs_f64());
            let text = format!("{phase} begins, and lasts {length}");
            found.push((Weight::Essential, window.start, "phase", text));
        }
    }
    if let Some(whole) = phases.whole() {
        let text = "the watching ends".to_owned();
        found.push((Weight::Essential, whole.end, "phase", text));
    }
}

fn injector(subject: &Subject<'_>, found: &mut Found) {
    for row in &subject.observed.fault {
        let did = match row.action {
            FaultAction::DeletePod => "asked to delete",
            FaultAction::EvictPod => "asked to evict",
            FaultAction::CommandStarted => "started",
            FaultAction::CommandEnded => "ended",
            FaultAction::BackgroundEnded => "ended what was left of",
            FaultAction::Undone => "took back by",
        };
        let answer = match (row.ok, row.detail.as_str()) {
            (true, "") => String::new(),
            (true, detail) => format!(": {detail}"),
            (false, "") => ": refused".to_owned(),
            // It may have been done all the same.
            (false, detail) if detail.starts_with("no answer") => format!(": {detail}"),
            (false, detail) => format!(": refused, {detail}"),
        };
        let text = format!("{did} {}{answer}", row.object);
        found.push((Weight::Essential, row.at, "injector", text));
    }
}

fn pods(subject: &Subject<'_>, found: &mut Found) {
    for hit in subject.analysis.blast.iter().flat_map(|blast| &blast.hit) {
        found.push((Weight::Essential, hit.at, "pod lost", hit.name.clone()));
        if let (Some(by), Some(ready)) = (&hit.replaced_by, hit.replacement_ready_at) {
            let took = seconds_text(ready.seconds_from(hit.at));
            let text = format!("{by} is ready, {took} after {} was lost", hit.name);
            found.push((Weight::Essential, ready, "pod ready", text));
        }
    }
    for pod in &subject.observed.pods {
        for at in &pod.restarted_at {
            let text = format!("a container of {} ended and was started again", pod.name);
            found.push((Weight::Essential, *at, "restart", text));
        }
    }
}

fn watches(subject: &Subject<'_>, found: &mut Found) {
    for span in &subject.manifest.ledger.blind {
        let text = format!("the watch of {} sees nothing: {}", span.resource, span.why);
        found.push((Weight::Essential, span.from, "blind", text));
        if let Some(to) = span.to {
            let text = format!("the watch of {} sees again", span.resource);
            found.push((Weight::Essential, to, "blind", text));
        }
    }
}

fn events(subject: &Subject<'_>, found: &mut Found) {
    let whole = subject.observed.phases.whole();
    for row in &subject.observed.events {
        // Events live on for an hour: those from before the run are not part of it.
        if whole.is_some_and(|whole| row.at < whole.start) {
            continue;
        }
        let weight = if row.severity == "Normal" { Weight::Normal } else { Weight::Warning };
        let times = if row.added > 1 { format!(" ({} times)", row.added) } else { String::new() };
        let text = format!(
            "{} {} {}: {}{times}",
            row.reason, row.object_kind, row.object_name, row.message
        );
        let kind = if weight == Weight::Normal { "event" } else { "warning" };
        found.push((weight, row.at, kind, text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn of_too_much_the_ordinary_events_are_left_out() {
        let mut sample = fixture::held();
        let one = sample.observed.events[0].clone();
        sample.observed.events.extend(std::iter::repeat_n(one, 500));
        let subject = sample.subject();
        let timeline = Timeline::new(&subject, &Scene::new(&subject));
        assert_eq!(timeline.entries.len(), MOST);
        assert!(timeline.left_out > 300);
        let kinds = |kind| timeline.entries.iter().filter(|entry| entry.kind == kind).count();
        assert_eq!((kinds("phase"), kinds("pod lost"), kinds("injector")), (4, 3, 3));
    }

    #[test]
    fn no_answer_is_no_refusal() {
        let mut sample = fixture::held();
        let row = &mut sample.observed.fault[0];
        (row.ok, row.detail) = (false, "no answer after 2 s: it may have been killed".to_owned());
        let subject = sample.subject();
        let timeline = Timeline::new(&subject, &Scene::new(&subject));
        let said: Vec<&str> = timeline.entries.iter().map(|entry| entry.text.as_str()).collect();
        let named: Vec<&&str> = said.iter().filter(|text| text.contains("no answer")).collect();
        assert!(named.len() == 1 && !named[0].contains("refused"), "{said:?}");
    }
}
