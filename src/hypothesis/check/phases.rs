//! `phases`: how long each lasts, and how far apart the points are.

use std::time::Duration;

use super::{Context, out_of_range};
use crate::{
    hypothesis::{
        code::Code,
        fields::{self, Fields},
        model::PhasePlan,
        problem::Problem,
        raw::Node,
    },
    number::length,
    window::Phase,
};

/// The keys of `phases`.
pub(in crate::hypothesis) const KEYS: &[&str] =
    &["before", "during", "after", "step", "during_at_most"];

/// The distance of the grid's points when none is given.
pub(in crate::hypothesis) const DEFAULT_STEP: Duration = Duration::from_secs(5);

/// Reads the section.
pub(super) fn phases(node: &Node, cx: &mut Context<'_>) -> Option<PhasePlan> {
    let fields = Fields::of(node, "`phases`", KEYS, &mut cx.problems)?;
    let step = match fields.get("step") {
        Some(node) => fields::duration(node, "`step`", &mut cx.problems),
        None => Some(DEFAULT_STEP),
    };
    let [before, during, after] = Phase::ALL.map(|phase| one(phase, &fields, step, cx));
    let (step, before, during, after) = (step?, before?, during?, after?);
    let during_at_most = match fields.get("during_at_most") {
        Some(node) => {
            let longest = fields::duration(node, "`during_at_most`", &mut cx.problems)?;
            if longest < during {
                let message = format!(
                    "`during_at_most` is {} and `during`, the least, is {}",
                    length(longest),
                    length(during)
                );
                out_of_range(node, message, "it is by default twice `during`", cx);
                return None;
            }
            longest
        }
        None => during * 2,
    };
    Some(PhasePlan { before, during, during_at_most, after, step })
}

fn one(
    phase: Phase,
    fields: &Fields<'_>,
    step: Option<Duration>,
    cx: &mut Context<'_>,
) -> Option<Duration> {
    let name = phase.name();
    let node = fields.need(name, &format!("{name}: 5m"), &mut cx.problems)?;
    let lasts = fields::duration(node, &format!("`{name}`"), &mut cx.problems)?;
    if let Some(step) = step.filter(|step| lasts < *step) {
        let message = format!(
            "*{name}* lasts {} and the points are {} apart, so it may have none",
            length(lasts),
            length(step)
        );
        let hint = format!("lengthen `{name}`, or shorten `step`");
        cx.report(Problem::new(Code::PhaseTooShort, node.span, message).hint(hint));
    }
    Some(lasts)
}
