//! The stored tables: which columns each has, in which order.
//!
//! The order here is the order on disk. `docs/format.md` says what each column means; a test
//! holds the two together. The raw samples, which are many, have a file of their own (`raw`).

use polars::prelude::{Column, DataFrame};

use super::{
    AnswerRow, CheckRow, EventRow, FaultAction, FaultRow, Finished, FrameError, PodRow, ReadySpan,
    SampleRow,
    column::{Cell, Field, View},
};
use crate::{sample::Labels, time::Time, window::Phase};

/// Rows that are stored as a table.
pub(crate) trait Table: Sized {
    /// The table's name; its file is `NAME.parquet`.
    const NAME: &'static str;

    /// Its columns, in order.
    fn fields() -> Vec<Field>;

    /// The rows as columns.
    fn to_frame(rows: &[Self]) -> DataFrame;

    /// The rows of a frame, when it has the table's columns.
    fn from_frame(frame: &DataFrame) -> Result<Vec<Self>, FrameError>;
}

/// Makes a row type a [`Table`]. Fields come in the order of the columns.
macro_rules! table {
    ($row:ident, $name:literal, { $($field:ident: $cell:ty),+ $(,)? }) => {
        impl Table for $row {
            const NAME: &'static str = $name;

            fn fields() -> Vec<Field> {
                [$(<$cell as Cell>::fields(stringify!($field))),+].concat()
            }

            fn to_frame(rows: &[Self]) -> DataFrame {
                let mut columns: Vec<Column> = Vec::new();
                $(<$cell as Cell>::write(
                    stringify!($field),
                    rows.iter().map(|row| &row.$field),
                    &mut columns,
                );)+
                DataFrame::new(rows.len(), columns).expect("each row gave each column one cell")
            }

            fn from_frame(frame: &DataFrame) -> Result<Vec<Self>, FrameError> {
                let view = View::checked(Self::NAME, frame, &Self::fields())?;
                $(let mut $field = <$cell as Cell>::read(&view, stringify!($field))?.into_iter();)+
                // The columns have one length, so the first one to end ends them all.
                Ok(std::iter::from_fn(|| Some($row { $($field: $field.next()?),+ })).collect())
            }
        }
    };
}

table!(PodRow, "pods", {
    uid: String,
    namespace: String,
    name: String,
    labels: Labels,
    owner_kind: Option<String>,
    owner_name: Option<String>,
    owner_uid: Option<String>,
    node: Option<String>,
    created_at: Time,
    scheduled_at: Option<Time>,
    ready: Vec<ReadySpan>,
    deletion_asked_at: Option<Time>,
    gone_at: Option<Time>,
    restarts: i64,
    restarted_at: Vec<Time>,
    disruption: Option<String>,
    first_seen_at: Time,
    finished: Option<Finished>,
});

table!(EventRow, "events", {
    uid: String,
    at: Time,
    severity: String,
    reason: String,
    namespace: String,
    object_kind: String,
    object_name: String,
    object_uid: String,
    component: String,
    message: String,
    count: i64,
    added: i64,
});

table!(FaultRow, "fault", {
    at: Time,
    action: FaultAction,
    object: String,
    uid: Option<String>,
    ok: bool,
    detail: String,
});

table!(AnswerRow, "answers", {
    indicator: String,
    labels: Labels,
    time: Time,
    value: f64,
});

table!(CheckRow, "checks", {
    format_version: i64,
    analysis_version: i64,
    hypothesis_name: String,
    run_id: String,
    started_at: Time,
    check_id: String,
    indicator: String,
    phase: Phase,
    objective_kind: String,
    unit: String,
    direction: String,
    bound_lo: Option<f64>,
    bound_hi: Option<f64>,
    scale: Option<f64>,
    hold: Option<f64>,
    observed: Option<f64>,
    observed_lo: Option<f64>,
    observed_hi: Option<f64>,
    interval_kind: String,
    median: Option<f64>,
    margin: Option<f64>,
    margin_lo: Option<f64>,
    margin_hi: Option<f64>,
    breach_share: Option<f64>,
    longest_breach_s: Option<f64>,
    area: Option<f64>,
    worst_at: Option<Time>,
    verdict: String,
    reasons: Vec<String>,
    n: Option<i64>,
    n_eff: Option<f64>,
    coverage: Option<f64>,
    recovery_s: Option<f64>,
    recovery_censored: Option<bool>,
    fault_kind: String,
    asked: Option<i64>,
    hit: Option<i64>,
    population: Option<i64>,
    evidence: Option<String>,
    mechanism: Option<String>,
    text_fingerprint: String,
    comparable_fingerprint: String,
    phase_s: Option<f64>,
    environment: String,
});

/// A row of `samples.parquet` as it stands there. An indicator is one series in this version, so
/// its labels are empty; the column is there for the day when it is more.
struct LabelledSample {
    indicator: String,
    labels: Labels,
    time: Time,
    value: f64,
    lower: f64,
    upper: f64,
    phase: Option<Phase>,
}

table!(LabelledSample, "samples", {
    indicator: String,
    labels: Labels,
    time: Time,
    value: f64,
    lower: f64,
    upper: f64,
    phase: Option<Phase>,
});

impl Table for SampleRow {
    const NAME: &'static str = LabelledSample::NAME;

    fn fields() -> Vec<Field> {
        LabelledSample::fields()
    }

    fn to_frame(rows: &[Self]) -> DataFrame {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| LabelledSample {
                indicator: row.indicator.clone(),
                labels: Labels::default(),
                time: row.time,
                value: row.value,
                lower: row.lower,
                upper: row.upper,
                phase: row.phase,
            })
            .collect();
        LabelledSample::to_frame(&rows)
    }

    fn from_frame(frame: &DataFrame) -> Result<Vec<Self>, FrameError> {
        let rows = LabelledSample::from_frame(frame)?.into_iter().enumerate();
        rows.map(|(row, sample)| {
            let LabelledSample { indicator, labels, time, value, lower, upper, phase } = sample;
            if labels != Labels::default() {
                // Taking several series for one would be worse than not reading them.
                return Err(FrameError::Value {
                    table: Self::NAME,
                    column: "labels".to_owned(),
                    row,
                    value: labels.to_json(),
                    want: "`{}`, the only labels of this version",
                });
            }
            Ok(Self { indicator, time, value, lower, upper, phase })
        })
        .collect()
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use proptest::prelude::*;

    use super::*;

    /// A check that has little to say.
    pub(crate) fn short_check_row() -> CheckRow {
        CheckRow {
            format_version: 1,
            analysis_version: 1,
            hypothesis_name: "api-survives-pod-loss".to_owned(),
            run_id: "20261123T021500Z-7f3a".to_owned(),
            started_at: Time::from_millis(1_795_400_100_000),
            check_id: "latency_p99.during.below".to_owned(),
            indicator: "latency_p99".to_owned(),
            phase: Phase::During,
            objective_kind: "below".to_owned(),
            unit: "s".to_owned(),
            direction: "up".to_owned(),
            bound_lo: None,
            bound_hi: Some(0.2),
            scale: Some(0.2),
            hold: Some(1.0),
            observed: Some(0.15),
            observed_lo: Some(0.1),
            observed_hi: Some(0.2),
            interval_kind: "bucket".to_owned(),
            median: Some(0.12),
            margin: Some(0.25),
            margin_lo: Some(0.0),
            margin_hi: Some(0.5),
            breach_share: Some(0.0),
            longest_breach_s: Some(0.0),
            area: Some(0.0),
            worst_at: Some(Time::from_millis(1_795_400_110_000)),
            verdict: "pass".to_owned(),
            reasons: Vec::new(),
            n: Some(24),
            n_eff: None,
            coverage: Some(1.0),
            recovery_s: None,
            recovery_censored: None,
            fault_kind: "kill_pods".to_owned(),
            asked: Some(3),
            hit: Some(3),
            population: Some(10),
            evidence: Some("confirmed".to_owned()),
            mechanism: None,
            text_fingerprint: "00".to_owned(),
            comparable_fingerprint: "11".to_owned(),
            phase_s: Some(120.0),
            environment: "{}".to_owned(),
        }
    }

    /// A point of an indicator.
    pub(crate) fn short_sample_row() -> SampleRow {
        SampleRow {
            indicator: "latency_p99".to_owned(),
            time: Time::from_millis(1_795_400_100_000),
            value: 0.15,
            lower: 0.1,
            upper: 0.2,
            phase: None,
        }
    }

    /// Texts that are awkward to store.
    pub(super) fn text() -> impl Strategy<Value = String> {
        prop_oneof!["\\PC{0,12}", Just("ž\0\n\"'\u{1f4a5}".to_owned()), Just("x".repeat(10_000))]
    }

    /// Times from just before the epoch on.
    pub(super) fn time() -> impl Strategy<Value = Time> {
        (-1_i64..4_000_000_000_000).prop_map(Time::from_millis)
    }

    prop_compose! {
        /// Any pod.
        pub(crate) fn any_pod()(
            (uid, name, value) in (text(), text(), text()),
            owner in prop::option::of(text()),
            at in time(),
            gone_at in prop::option::of(time()),
            ready in prop::collection::vec((time(), prop::option::of(time())), 0..4),
            restarted_at in prop::collection::vec(time(), 0..4),
            restarts in any::<i64>(),
        ) -> PodRow {
            PodRow {
                uid,
                namespace: String::new(),
                name,
                labels: Labels::new([("app".to_owned(), value)]),
                owner_kind: owner.clone(),
                owner_name: None,
                owner_uid: owner,
                node: None,
                created_at: at,
                scheduled_at: gone_at,
                ready: ready.into_iter().map(|(from, to)| ReadySpan { from, to }).collect(),
                deletion_asked_at: None,
                gone_at,
                restarts,
                restarted_at,
                disruption: None,
                first_seen_at: at,
                finished: gone_at.map(|at| Finished { at, failed: restarts % 2 == 0 }),
            }
        }
    }

    prop_compose! {
        /// A check with awkward texts, lists and absences.
        pub(crate) fn any_check()(
            id in text(),
            worst_at in prop::option::of(time()),
            reasons in prop::collection::vec(text(), 0..4),
            margin in prop::option::of(-1e9..1e9_f64),
            n in prop::option::of(any::<i64>()),
            recovery_censored in prop::option::of(any::<bool>()),
        ) -> CheckRow {
            let phase = if n.is_some() { Phase::Before } else { Phase::After };
            CheckRow { check_id: id, phase, worst_at, reasons, margin, n, recovery_censored, ..short_check_row() }
        }
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::{IntoColumn as _, NamedFrom as _, Series};
    use proptest::prelude::*;

    use super::{super::raw::raw_fields, testing::*, *};

    #[test]
    fn the_checks_have_the_columns_of_version_1() {
        let names = "format_version analysis_version hypothesis_name run_id started_at check_id \
            indicator phase objective_kind unit direction bound_lo bound_hi scale hold observed \
            observed_lo observed_hi interval_kind median margin margin_lo margin_hi breach_share \
            longest_breach_s area worst_at verdict reasons n n_eff coverage recovery_s \
            recovery_censored fault_kind asked hit population evidence mechanism \
            text_fingerprint comparable_fingerprint phase_s environment";
        let want: Vec<&str> = names.split_whitespace().collect();
        let frame = CheckRow::to_frame(&[short_check_row()]);
        let written: Vec<&str> =
            frame.columns().iter().map(|column| column.name().as_str()).collect();
        assert_eq!(written, want);
    }

    /// The columns of a table as `docs/format.md` has them: name and type.
    fn described(table: &str) -> Vec<(String, String)> {
        let text = include_str!("../../docs/format.md");
        let heading = format!("### `{table}.parquet`");
        let part =
            text.split("\n### ").find(|part| heading.ends_with(part.lines().next().unwrap()));
        let rows = part.expect("the table has a part of its own").lines();
        let cells = rows.filter_map(|row| {
            let mut cells = row.strip_prefix("| `")?.split('|').map(str::trim);
            Some((cells.next()?.trim_end_matches('`').to_owned(), cells.next()?.to_owned()))
        });
        cells.collect()
    }

    #[track_caller]
    fn check_described(table: &str, fields: &[Field]) {
        let fields = fields.iter().map(|field| {
            let null = if field.nullable { " or null" } else { "" };
            (field.name.clone(), format!("{}{null}", field.kind))
        });
        assert_eq!(described(table), fields.collect::<Vec<_>>());
    }

    #[test]
    fn the_format_page_describes_every_column() {
        check_described("raw", &raw_fields());
        check_described(PodRow::NAME, &PodRow::fields());
        check_described(EventRow::NAME, &EventRow::fields());
        check_described(FaultRow::NAME, &FaultRow::fields());
        check_described(AnswerRow::NAME, &AnswerRow::fields());
        check_described(SampleRow::NAME, &SampleRow::fields());
        check_described(CheckRow::NAME, &CheckRow::fields());
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut DataFrame), want: &str) {
        let mut frame = CheckRow::to_frame(&[short_check_row(), short_check_row()]);
        change(&mut frame);
        let read = CheckRow::from_frame(&frame).map(|rows| rows.len().to_string());
        assert_eq!(read.unwrap_or_else(|error| error.to_string()), want);
    }

    fn put(name: &'static str, column: Series) -> impl FnOnce(&mut DataFrame) {
        move |frame| {
            frame.with_column(column.with_name(name.into()).into_column()).unwrap();
        }
    }

    #[test]
    fn a_frame_is_held_to_its_schema() {
        check(|_| (), "2");
        check(put("added_later", Series::new("".into(), [1, 2])), "2");
        check(
            |frame| drop(frame.drop_in_place("margin").unwrap()),
            "table `checks` has no column `margin`",
        );
        check(
            put("margin", Series::new("".into(), ["0.1", "0.2"])),
            "column `margin` of table `checks` holds str, not number",
        );
        check(
            put("verdict", Series::new("".into(), [Some("pass"), None])),
            "column `verdict` of table `checks` is null in row 1",
        );
        check(
            put("phase", Series::new("".into(), ["before", "meanwhile"])),
            "column `phase` of table `checks` has `meanwhile` in row 1, which is not a phase",
        );
    }

    #[test]
    fn several_series_are_not_taken_for_one() {
        let mut frame = SampleRow::to_frame(&[short_sample_row()]);
        put("labels", Series::new("".into(), [r#"{"pod":"a"}"#]))(&mut frame);
        assert!(SampleRow::from_frame(&frame).is_err());
    }

    fn number() -> impl Strategy<Value = f64> {
        prop_oneof![any::<u64>().prop_map(f64::from_bits), Just(f64::NAN), Just(-0.0)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn fault_rows_are_read_back(
            rows in prop::collection::vec((time(), 0..3_usize, prop::option::of(text()), any::<bool>()), 0..6)
        ) {
            let rows: Vec<FaultRow> = rows
                .into_iter()
                .map(|(at, action, uid, ok)| {
                    let action = FaultAction::ALL[action];
                    FaultRow { at, action, object: String::new(), uid, ok, detail: String::new() }
                })
                .collect();
            prop_assert_eq!(FaultRow::from_frame(&FaultRow::to_frame(&rows)).unwrap(), rows);
        }

        #[test]
        fn samples_keep_every_bit(rows in prop::collection::vec((number(), number(), 0..4_usize), 0..9)) {
            let rows: Vec<SampleRow> = rows
                .into_iter()
                .map(|(value, lower, phase)| {
                    let phase = Phase::ALL.get(phase).copied();
                    SampleRow { value, lower, phase, ..short_sample_row() }
                })
                .collect();
            let bits = |rows: &[SampleRow]| -> Vec<_> {
                rows.iter().map(|row| (row.value.to_bits(), row.lower.to_bits(), row.phase)).collect()
            };
            let back = SampleRow::from_frame(&SampleRow::to_frame(&rows)).unwrap();
            prop_assert_eq!(bits(&back), bits(&rows));
        }
    }
}
