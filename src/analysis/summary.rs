//! Each phase of each indicator in figures, all at once, in one polars query.
//!
//! The only place of the analysis that uses polars; none of its types leaves this file.

use polars::prelude::*;

use super::Summary;

/// The figures of each group of values, in their order; none for a group without a number.
///
/// Quantiles are of Hyndman and Fan's type 7. The query keeps the order of its input and adds up
/// each group on one thread, so the figures do not depend on the number of threads.
pub(super) fn summaries<V: Iterator<Item = f64>>(
    groups: impl Iterator<Item = V>,
) -> Vec<Option<Summary>> {
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    let mut summaries = Vec::new();
    for (key, group) in (0_u32..).zip(groups) {
        summaries.push(None);
        for value in group {
            keys.push(key);
            values.push(value);
        }
    }
    let frame = df!("group" => keys, "value" => values).expect("two columns of one length");
    let value = || col("value");
    let quantile = |p: f64| value().quantile(lit(p), QuantileMethod::Linear);
    let figures = frame
        .lazy()
        // polars treats NaN unevenly: `max` skips it, `median` becomes it (see the test).
        .with_column(value().fill_nan(lit(NULL)))
        .filter(value().is_not_null())
        .group_by_stable([col("group")])
        .agg([
            value().min().alias("min"),
            quantile(0.25).alias("q1"),
            quantile(0.5).alias("median"),
            quantile(0.75).alias("q3"),
            value().max().alias("max"),
            value().mean().alias("mean"),
        ])
        .collect()
        .expect("a query over our own columns");
    let keys = figures.column("group").and_then(|c| c.u32().cloned()).expect("our own column");
    let column = |name: &str| {
        figures.column(name).and_then(|c| c.f64().cloned()).expect("a column of the query")
    };
    let figure = ["min", "q1", "median", "q3", "max", "mean"].map(column);
    for (row, key) in keys.iter().enumerate() {
        // No figure is null: the filter leaves no group without a number.
        let numbers = figure.each_ref().map(|column| column.get(row).unwrap_or(f64::NAN));
        let [min, q1, median, q3, max, mean] = numbers;
        if let Some(place) = key {
            summaries[place as usize] = Some(Summary { min, q1, median, q3, max, mean });
        }
    }
    summaries
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn figures(groups: &[&[f64]]) -> Vec<Option<Summary>> {
        summaries(groups.iter().map(|group| group.iter().copied()))
    }

    #[test]
    fn figures_stand_by_their_group() {
        let nan = f64::NAN;
        let got = figures(&[&[4.0, 1.0, 3.0, 2.0], &[], &[nan, nan], &[7.0, nan]]);
        let want = Summary { min: 1.0, q1: 1.75, median: 2.5, q3: 3.25, max: 4.0, mean: 2.5 };
        assert_eq!(got[0], Some(want));
        assert_eq!((got[1], got[2]), (None, None));
        let seven = Summary { min: 7.0, q1: 7.0, median: 7.0, q3: 7.0, max: 7.0, mean: 7.0 };
        assert_eq!(got[3], Some(seven));
    }

    #[test]
    fn nothing_at_all_is_nothing() {
        assert_eq!(figures(&[]), []);
    }

    #[test]
    fn polars_is_uneven_about_nan() {
        // What `fill_nan` above protects from. When this fails, polars has changed its mind.
        let frame = df!("group" => [1_u32, 1], "value" => [0.001, f64::NAN]).unwrap();
        let got = frame
            .lazy()
            .group_by_stable([col("group")])
            .agg([
                col("value").max().alias("max"),
                col("value").median().alias("median"),
                col("value").count().alias("count"),
            ])
            .collect()
            .unwrap();
        let number = |name: &str| got.column(name).unwrap().f64().unwrap().get(0).unwrap();
        assert!((number("max") - 0.001).abs() < 1e-12);
        assert!(number("median").is_nan());
        assert_eq!(got.column("count").unwrap().u32().unwrap().get(0), Some(2));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn quantiles_are_linear_between_ranks(
            mut values in prop::collection::vec(-1e3..1e3_f64, 1..200),
        ) {
            let got = figures(&[&values])[0].unwrap();
            values.sort_by(f64::total_cmp);
            for (got, p) in [(got.q1, 0.25), (got.median, 0.5), (got.q3, 0.75)] {
                // Hyndman and Fan's type 7.
                let rank = (values.len() - 1) as f64 * p;
                let [low, high] = [rank.floor(), rank.ceil()].map(|rank| values[rank as usize]);
                prop_assert!((got - (low + (high - low) * rank.fract())).abs() < 1e-9);
            }
            prop_assert_eq!((got.min, got.max), (values[0], values[values.len() - 1]));
        }
    }
}
