//! Which of the many means that a history can have explains it best.
//!
//! Definition: a mean is a level, perhaps a slope, and changes: of the level (a step) or of the
//! slope (a kink). Each part has a price, and the mean with the least sum of its deviance (twice
//! the negative log-likelihood, `likelihood`) and its prices is chosen: penalised likelihood, as
//! in Beaulieu and Killick (2018), where the parts are chosen together with the memory of the
//! errors, so that memory is not taken for a change. A price is the quantile of what its part
//! gains on histories without any change (see [`Prices`]), so that selecting the best of many
//! places is paid for, and not once more the price of one parameter.
//!
//! Search: not every mean is looked at. Steps are added one by one and in pairs, each where it
//! gains most, to a level and to a line; kinks are added to the line; after each addition all
//! places are moved to where they are best, and in the end whatever does not pay is taken away.
//! The work of an addition grows with `n`; pairs are looked for on at most [`PAIR_PLACES`] places,
//! and only when one addition alone does not pay.

use super::likelihood::{Basis, Points, Term, Whitened};

/// What a part of the mean must gain, in twice the log-likelihood, to be believed.
///
/// Measured on histories without a change (Gaussian, φ from 0 to 0.6, n from 60 to 1,000): the best step
/// gains more than 13 in about 2 to 4 % of them, the best slope more than 7 in 1 to 2 %, the best kink more
/// than 11 in 1 to 2 %, hardly depending on n. A gate asks for a little more than that, because it
/// is asked every night (`scripts/bench/drift-calibration`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Prices {
    pub(super) step: f64,
    pub(super) slope: f64,
    pub(super) kink: f64,
}

impl Prices {
    /// For a gate.
    pub(super) const GATE: Self = Self { step: 15.0, slope: 8.0, kink: 12.0 };
    /// Of fewer runs than [`super::CHANGE_RUNS`], where memory is hard to tell from a change.
    pub(super) const SHORT: Self = Self { step: 16.0, slope: 9.0, kink: f64::INFINITY };
    /// To explore.
    pub(super) const SENSITIVE: Self = Self { step: 9.5, slope: 5.0, kink: 8.0 };
}

/// The fewest runs of a regime.
pub(super) const REGIME_RUNS: usize = 5;

/// The fewest runs of a last regime that is still forming.
pub(super) const FORMING_RUNS: usize = 3;

/// On how many places the search for pairs of steps looks at most.
const PAIR_PLACES: usize = 100;

/// How many changes are looked for at most.
const MOST_CHANGES: usize = 24;

/// How much worse a place may explain the history and still be possible.
const PLACE_DROP: f64 = 4.0;

/// How much worse a model one part away may be for its changes to be moved to where they are best.
const WORTH_SETTLING: f64 = 10.0;

/// How far from the best place others are looked at.
const PLACE_REACH: usize = 60;

/// After how many additions that did not pay the search ends.
const PATIENCE: usize = 2;

/// A mean and how well it explains the history.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) terms: Vec<Term>,
    pub(super) phi: f64,
    /// Deviance and prices.
    pub(super) score: f64,
}

impl Model {
    /// The first points of the regimes after the first one, in order, each once.
    pub(super) fn places(&self) -> Vec<usize> {
        let mut places: Vec<usize> = self.terms.iter().filter_map(|term| term.place()).collect();
        places.sort_unstable();
        places.dedup();
        places
    }
}

/// The search over one history.
pub(super) struct Search<'a> {
    pub(super) white: &'a [Whitened],
    pub(super) prices: Prices,
    n: usize,
}

impl<'a> Search<'a> {
    /// Over points that were whitened.
    pub(super) fn new(points: &Points, white: &'a [Whitened], prices: Prices) -> Self {
        Self { white, prices, n: points.len() }
    }

    /// The best mean of all.
    pub(super) fn best(&self) -> Model {
        let level = self.model(vec![Term::Level]);
        let line = self.model(vec![Term::Level, Term::Slope]);
        let stepped = self.grow(level, false);
        let sloped = self.grow(line, true);
        let mut best = if stepped.score <= sloped.score { stepped } else { sloped };
        while let Some(better) = self.improve(&best) {
            best = better;
        }
        best
    }

    /// How well a random walk explains the history: as a level, with the strongest memory there is.
    pub(super) fn walk(&self) -> f64 {
        let strongest = self.white.last().map(|white| Basis::new(white, &[Term::Level]).deviance());
        strongest.unwrap_or(f64::INFINITY)
    }

    /// The best of a short history: a level, a line or one step.
    pub(super) fn short(&self) -> Model {
        let level = self.model(vec![Term::Level]);
        let line = self.model(vec![Term::Level, Term::Slope]);
        let step = self.add_one(&level.terms, &self.open_places(&level.terms), false);
        let best = if line.score < level.score { line } else { level };
        match step {
            Some(step) if step.score < best.score => step,
            Some(_) | None => best,
        }
    }

    /// The first and the last point at which the change at `place` may be while the others stay:
    /// those whose deviance is within [`PLACE_DROP`] of the least.
    ///
    /// Definition: a likelihood set for the place of a change (Hinkley 1970).
    pub(super) fn range_of(&self, model: &Model, place: usize) -> (usize, usize) {
        let (here, others): (Vec<Term>, Vec<Term>) =
            model.terms.iter().partition(|term| term.place() == Some(place));
        let open = self.open_places(&others);
        let deviance = |at: usize| {
            let moved = here.iter().map(|term| match term {
                Term::Step(_) => Term::Step(at),
                Term::Kink(_) => Term::Kink(at),
                Term::Level | Term::Slope => *term,
            });
            let terms: Vec<Term> = others.iter().copied().chain(moved).collect();
            let near = self.white.iter().filter(|white| (white.phi - model.phi).abs() < 0.2);
            near.map(|white| Basis::new(white, &terms).deviance()).fold(f64::INFINITY, f64::min)
        };
        let least = deviance(place);
        let mut range = (place, place);
        // Outwards from the place, over as many as a profile is worth looking at.
        let fits = |at: usize| deviance(at) <= least + PLACE_DROP;
        for at in open.iter().rev().filter(|at| **at < place).take(PLACE_REACH) {
            if fits(*at) {
                range.0 = *at;
            }
        }
        for at in open.iter().filter(|at| **at > place).take(PLACE_REACH) {
            if fits(*at) {
                range.1 = *at;
            }
        }
        range
    }

    /// The model of some terms, with the φ that suits it best.
    pub(super) fn model(&self, terms: Vec<Term>) -> Model {
        let fits = self.white.iter().map(|white| (white.phi, Basis::new(white, &terms).deviance()));
        let (phi, deviance) =
            fits.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0.0, f64::INFINITY));
        let score = deviance + self.price(&terms);
        Model { terms, phi, score }
    }

    fn price(&self, terms: &[Term]) -> f64 {
        let price = |term: &Term| match term {
            Term::Level => 0.0,
            Term::Slope => self.prices.slope,
            Term::Step(_) => self.prices.step,
            // The place is paid for by the step that begins there.
            Term::Kink(at) if terms.contains(&Term::Step(*at)) => self.prices.slope,
            Term::Kink(_) => self.prices.kink,
        };
        terms.iter().map(price).sum()
    }

    /// Adds changes as long as they pay.
    fn grow(&self, start: Model, kinks: bool) -> Model {
        let mut best = start.clone();
        let mut now = start;
        let mut in_vain = 0;
        while in_vain < PATIENCE && now.places().len() < MOST_CHANGES {
            let Some(next) = self.add(&now, kinks) else { break };
            now = self.settle(next);
            if now.score < best.score {
                best = now.clone();
                in_vain = 0;
            } else {
                in_vain += 1;
            }
        }
        best
    }

    /// The best addition of one change or, when that does not pay, of two steps.
    fn add(&self, to: &Model, kinks: bool) -> Option<Model> {
        let open = self.open_places(&to.terms);
        let one = self.add_one(&to.terms, &open, kinks);
        if one.as_ref().is_some_and(|one| one.score < to.score) {
            return one;
        }
        let found = one.into_iter().chain(self.add_two(to, &open));
        found.min_by(|a, b| a.score.total_cmp(&b.score))
    }

    fn add_one(&self, terms: &[Term], open: &[usize], kinks: bool) -> Option<Model> {
        let step =
            self.best_of(terms, open, Term::Step).map(|(d, term)| (d + self.prices.step, term));
        let kink = kinks.then(|| self.best_of(terms, open, Term::Kink)).flatten();
        let kink = kink.map(|(d, term)| (d + self.prices.kink, term));
        let (_, term) = step.into_iter().chain(kink).min_by(|a, b| a.0.total_cmp(&b.0))?;
        Some(self.model([terms, &[term]].concat()))
    }

    /// The term of a kind that explains most beside `terms`, over all places and every φ.
    fn best_of(
        &self,
        terms: &[Term],
        open: &[usize],
        kind: fn(usize) -> Term,
    ) -> Option<(f64, Term)> {
        let mut room = Vec::with_capacity(terms.len() + 1);
        let mut best: Option<(f64, Term)> = None;
        for white in self.white {
            let basis = Basis::new(white, terms);
            let gains = open.iter().map(|at| (basis.gain(kind(*at), &mut room), kind(*at)));
            // Of equal gains the first, so that the answer does not depend on their order.
            let most = gains.fold(None, |most: Option<(f64, Term)>, one| match most {
                Some(known) if known.0 >= one.0 => Some(known),
                Some(_) | None => Some(one),
            });
            let Some((gain, term)) = most else { continue };
            let deviance = white.deviance(basis.squares - gain);
            if best.is_none_or(|(least, _)| deviance < least) {
                best = Some((deviance, term));
            }
        }
        best
    }

    /// Two steps at once: the second takes back what the first does, and either alone gains little.
    fn add_two(&self, to: &Model, open: &[usize]) -> Option<Model> {
        let stride = open.len().div_ceil(PAIR_PLACES).max(1);
        let few: Vec<usize> = open.iter().copied().step_by(stride).collect();
        let mut best: Option<(f64, usize, usize)> = None;
        for white in self.white.iter().filter(|white| white.phi <= to.phi).step_by(2) {
            let basis = Basis::new(white, &to.terms);
            let lifts = basis.lifts(&few);
            let mut most = (0.0, 0, 0);
            for (i, one) in lifts.iter().enumerate() {
                for (j, other) in lifts.iter().enumerate().skip(i + 1) {
                    if few[j] - few[i] >= REGIME_RUNS {
                        let gain = one.gain_with(other);
                        if gain > most.0 {
                            most = (gain, few[i], few[j]);
                        }
                    }
                }
            }
            let (gain, from, to) = most;
            let deviance = white.deviance(basis.squares - gain);
            if to > from && best.is_none_or(|(least, ..)| deviance < least) {
                best = Some((deviance, from, to));
            }
        }
        let (_, from, until) = best?;
        Some(self.model([&to.terms[..], &[Term::Step(from), Term::Step(until)]].concat()))
    }

    /// Moves each change to where it is best while the others stay, until none moves.
    fn settle(&self, mut model: Model) -> Model {
        for _ in 0..4 {
            let before = model.score;
            for place in model.places() {
                let moved = self.moved(&model, place);
                if moved.score < model.score {
                    model = moved;
                }
            }
            if model.score >= before - 1e-9 {
                break;
            }
        }
        model
    }

    /// The model with its change at `place` where it is best, between those beside it.
    fn moved(&self, model: &Model, place: usize) -> Model {
        let (here, others): (Vec<Term>, Vec<Term>) =
            model.terms.iter().partition(|term| term.place() == Some(place));
        let kind = match here.as_slice() {
            [Term::Step(_)] => Term::Step,
            [Term::Kink(_)] => Term::Kink,
            _ => return model.clone(),
        };
        let edges = || others.iter().filter_map(|term| term.place());
        let before = edges().filter(|edge| *edge < place).max().unwrap_or(0);
        let after = edges().filter(|edge| *edge > place).min().unwrap_or(self.n);
        let mut open = self.open_places(&others);
        open.retain(|at| (before..after).contains(at));
        match self.best_of(&others, &open, kind) {
            Some((_, term)) => self.model([&others[..], &[term]].concat()),
            None => model.clone(),
        }
    }

    /// The best model that is one part away, if it is better.
    fn improve(&self, model: &Model) -> Option<Model> {
        let without =
            (0..model.terms.len()).filter(|at| model.terms[*at] != Term::Level).map(|at| {
                let mut terms = model.terms.clone();
                terms.remove(at);
                terms
            });
        let mut with: Vec<Vec<Term>> = Vec::new();
        if !model.terms.contains(&Term::Slope) {
            with.push([&model.terms[..], &[Term::Slope]].concat());
        }
        for place in model.places() {
            let (step, kink) = (Term::Step(place), Term::Kink(place));
            let swap = |from: Term, to: Term| -> Vec<Term> {
                model.terms.iter().map(|term| if *term == from { to } else { *term }).collect()
            };
            match (model.terms.contains(&step), model.terms.contains(&kink)) {
                (true, false) => {
                    with.push([&model.terms[..], &[kink]].concat());
                    with.push(swap(step, kink));
                }
                (false, true) => {
                    with.push([&model.terms[..], &[step]].concat());
                    with.push(swap(kink, step));
                }
                (true, true) | (false, false) => {}
            }
        }
        let best = without
            .chain(with)
            .map(|terms| self.model(terms))
            .filter(|near| near.score < model.score + WORTH_SETTLING)
            .map(|near| self.settle(near))
            .min_by(|a, b| a.score.total_cmp(&b.score))?;
        (best.score < model.score - 1e-9).then_some(best)
    }

    /// Where a regime can begin beside those that there are.
    fn open_places(&self, terms: &[Term]) -> Vec<usize> {
        let mut edges: Vec<usize> = terms.iter().filter_map(|term| term.place()).collect();
        edges.sort_unstable();
        let far = |at: usize| edges.iter().all(|edge| at.abs_diff(*edge) >= REGIME_RUNS);
        let last = (self.n + 1).saturating_sub(FORMING_RUNS);
        (REGIME_RUNS..last).filter(|at| far(*at)).collect()
    }
}
