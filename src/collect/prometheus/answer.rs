//! Answers of Prometheus' query API, decoded while they arrive: no more is held of one than the
//! numbers in it.

use std::{fmt, io};

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess,
    Visitor,
};

use crate::{
    sample::{Labels, Series},
    time::Time,
};

/// What a server answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Answer {
    /// The series, each with its samples in order of time; a scalar is a series without labels.
    pub(super) series: Vec<Series>,
    /// How many points are native histograms, which have no value.
    pub(super) histograms: u64,
    /// `warnings` and `infos`, as the server put them.
    pub(super) notes: Vec<String>,
    /// Why it is not whole, where the server says so: nobody knows which series it lacks.
    pub(super) partial: Option<String>,
    /// `errorType` and `error` of an answer that is none.
    pub(super) error: Option<(String, String)>,
    /// Whether `status` was there: what else speaks JSON has none.
    pub(super) is_prometheus: bool,
    /// Whether there was a result, be it an empty one: without it nothing was answered.
    pub(super) has_result: bool,
}

impl Answer {
    /// How many samples there are.
    pub(super) fn samples(&self) -> usize {
        self.series.iter().map(|series| series.times.len()).sum()
    }
}

/// Decodes an answer to a query.
pub(super) fn decode(reader: impl io::Read) -> Result<Answer, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let answer = Envelope.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(answer)
}

/// How warnings begin that are about the expression.
const ABOUT_PROMQL: [&str; 2] = ["PromQL warning: ", "PromQL info: "];

/// The object around every answer.
struct Envelope;

impl<'de> DeserializeSeed<'de> for Envelope {
    type Value = Answer;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Answer, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Envelope {
    type Value = Answer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer of Prometheus' API")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Answer, M::Error> {
        let mut answer = Answer::default();
        let (mut kind, mut said) = (None::<String>, None::<String>);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "status" => {
                    let status: String = map.next_value()?;
                    answer.is_prometheus = matches!(status.as_str(), "success" | "error");
                }
                "errorType" => kind = Some(map.next_value()?),
                "error" => said = Some(map.next_value()?),
                "warnings" | "infos" => {
                    let notes: Option<Vec<String>> = map.next_value()?;
                    for note in notes.unwrap_or_default() {
                        // Those of Prometheus are about the expression, but for results that were cut.
                        // Of a server before several others, they say which of them did not answer.
                        if ABOUT_PROMQL.iter().any(|about| note.starts_with(about)) {
                            answer.notes.push(note);
                        } else {
                            answer.partial.get_or_insert(note);
                        }
                    }
                }
                // VictoriaMetrics: some of its storage did not answer.
                "isPartial" => {
                    if map.next_value()? {
                        answer.partial.get_or_insert("a part of the storage is away".to_owned());
                    }
                }
                "data" => map.next_value_seed(Data(&mut answer))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        answer.error = kind.or(said.is_some().then(String::new)).zip(said);
        Ok(answer)
    }
}

/// `data`: `{"resultType": …, "result": […]}`; of anything else nothing is kept.
struct Data<'a>(&'a mut Answer);

impl<'de> DeserializeSeed<'de> for Data<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Data<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the result of a query")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "result" => map.next_value_seed(Results(self.0))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// `result`: series, or of a scalar its time and value.
struct Results<'a>(&'a mut Answer);

impl<'de> DeserializeSeed<'de> for Results<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Results<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of series")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<(), S::Error> {
        self.0.has_result = true;
        let (mut series, mut scalar) = (Series::default(), None);
        while let Some(entry) =
            seq.next_element_seed(Entry { answer: self.0, series: &mut series })?
        {
            match (entry, scalar.take()) {
                (Found::Series, _) => self.0.series.push(std::mem::take(&mut series)),
                (Found::Number(time), None) => scalar = Some(time),
                (Found::Text(value), Some(time)) => series.push(time, value),
                (Found::Number(_), Some(_)) | (Found::Text(_), None) => {
                    return Err(S::Error::custom("neither series nor a scalar"));
                }
            }
        }
        if !series.times.is_empty() {
            self.0.series.push(series);
        }
        Ok(())
    }
}

/// What an entry of `result` is.
enum Found {
    Series,
    /// The time of a scalar.
    Number(Time),
    /// Its value.
    Text(f64),
}

struct Entry<'a> {
    answer: &'a mut Answer,
    series: &'a mut Series,
}

impl<'de> DeserializeSeed<'de> for Entry<'_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Entry<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a series")
    }

    fn visit_f64<E>(self, seconds: f64) -> Result<Found, E> {
        Ok(Found::Number(time(seconds)))
    }

    fn visit_u64<E>(self, seconds: u64) -> Result<Found, E> {
        Ok(Found::Number(time(seconds as f64)))
    }

    fn visit_i64<E>(self, seconds: i64) -> Result<Found, E> {
        Ok(Found::Number(time(seconds as f64)))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Found, E> {
        Ok(Found::Text(number(text)?))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Found, M::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "metric" => self.series.labels = map.next_value_seed(Metric)?,
                "values" => map.next_value_seed(Samples(self.series))?,
                "value" => {
                    let Sample(time, value) = map.next_value()?;
                    self.series.push(time, value);
                }
                "histograms" => {
                    let points: Vec<IgnoredAny> = map.next_value()?;
                    self.answer.histograms += points.len() as u64;
                }
                "histogram" => {
                    map.next_value::<IgnoredAny>()?;
                    self.answer.histograms += 1;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Found::Series)
    }
}

/// Labels as an object of texts.
struct Metric;

impl<'de> DeserializeSeed<'de> for Metric {
    type Value = Labels;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Labels, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Metric {
    type Value = Labels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("labels")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Labels, M::Error> {
        let mut labels = Labels::default();
        while let Some((name, value)) = map.next_entry::<String, String>()? {
            labels.set(&name, value);
        }
        Ok(labels)
    }
}

/// `[[t, "v"], …]`, appended to a series.
struct Samples<'a>(&'a mut Series);

impl<'de> DeserializeSeed<'de> for Samples<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Samples<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("samples")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<(), S::Error> {
        while let Some(Sample(time, value)) = seq.next_element()? {
            self.0.push(time, value);
        }
        Ok(())
    }
}

/// `[t, "v"]`.
struct Sample(Time, f64);

impl<'de> Deserialize<'de> for Sample {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (seconds, Number(value)) = <(f64, Number)>::deserialize(deserializer)?;
        Ok(Self(time(seconds), value))
    }
}

/// A number as a text: `"NaN"`, `"+Inf"`, `"1e+21"`.
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberText).map(Self)
    }
}

struct NumberText;

impl Visitor<'_> for NumberText {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number as a text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<f64, E> {
        number(text)
    }

    fn visit_f64<E>(self, value: f64) -> Result<f64, E> {
        Ok(value)
    }

    fn visit_u64<E>(self, value: u64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_i64<E>(self, value: i64) -> Result<f64, E> {
        Ok(value as f64)
    }
}

fn number<E: serde::de::Error>(text: &str) -> Result<f64, E> {
    text.parse().map_err(|_error| E::custom(format_args!("`{text}` is not a number")))
}

/// Seconds with up to three decimals, to the millisecond.
fn time(seconds: f64) -> Time {
    Time::from_millis((seconds * 1000.0).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, want: &str) {
        let said = match decode(body.as_bytes()) {
            Ok(answer) => {
                let series = answer.series.iter().map(|series| {
                    let samples = series.times.iter().zip(&series.values);
                    let samples: Vec<String> = samples
                        .map(|(time, value)| format!("{}={value}", time.as_millis()))
                        .collect();
                    format!("{} {}", series.labels, samples.join(" "))
                });
                let error = answer.error.map(|(kind, said)| format!("{kind}: {said}"));
                let notes = answer.notes.into_iter().chain(error);
                let histograms =
                    (answer.histograms > 0).then(|| format!("{} histograms", answer.histograms));
                series.chain(notes).chain(histograms).collect::<Vec<_>>().join("; ")
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(said, want);
    }

    fn matrix(result: &str) -> String {
        format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{result}]}}}}"#)
    }

    #[test]
    fn series_come_with_their_samples() {
        check(
            &matrix(
                r#"{"metric":{"__name__":"a","b":"c\"d"},"values":[[1,"2"],[1795449315.572,"-0.5"]]},{"metric":{},"values":[]}"#,
            ),
            r#"a{b="c\"d"} 1000=2 1795449315572=-0.5;  "#,
        );
        check(&matrix(""), "");
    }

    #[test]
    fn every_number_that_a_server_writes_is_read() {
        check(
            &matrix(
                r#"{"metric":{},"values":[[1,"NaN"],[2,"+Inf"],[3,"-Inf"],[4,"1e-320"],[5,"1e+21"],[6,"123456789012345680"],[7,8]]}"#,
            ),
            &format!(
                " 1000=NaN 2000=inf 3000=-inf 4000={} 5000={} 6000=123456789012345680 7000=8",
                1e-320, 1e21
            ),
        );
        check(
            &matrix(r#"{"metric":{},"values":[[1,"1,5"]]}"#),
            "`1,5` is not a number at line 1 column 91",
        );
    }

    #[test]
    fn a_vector_and_a_scalar_are_read_too() {
        let result = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1,"2"]}]}}"#;
        check(result, r#"{a="b"} 1000=2"#);
        check(
            r#"{"status":"success","data":{"resultType":"scalar","result":[1.5,"2"]}}"#,
            " 1500=2",
        );
    }

    #[test]
    fn native_histograms_are_counted() {
        let histogram = r#"{"metric":{"__name__":"h"},"histograms":[[1,{"count":"1","sum":"0.003","buckets":[[0,"0.002","0.003","1"]]}],[2,{}]]}"#;
        check(&matrix(histogram), "h ; 2 histograms");
    }

    #[test]
    fn what_the_server_says_besides_is_kept() {
        let text = r#"{"status":"success","isPartial":false,"data":{"resultType":"matrix","result":[]},"warnings":["PromQL warning: w"],"infos":["PromQL info: i"],"stats":{"seriesFetched":"0"}}"#;
        check(text, "PromQL warning: w; PromQL info: i");
        check(r#"{"status":"error","errorType":"bad_data","error":"no"}"#, "bad_data: no");
        check(r#"{"status":"success","data":null,"warnings":null}"#, "");
    }

    #[test]
    fn an_answer_that_is_not_whole_says_so() {
        let partial = |more: &str| {
            let text = format!(r#"{{"status":"success","data":{{"result":[]}},{more}}}"#);
            decode(text.as_bytes()).unwrap().partial
        };
        for why in ["no store matched: store-1 unavailable", "results truncated due to limit"] {
            assert_eq!(partial(&format!(r#""warnings":["{why}"]"#)).as_deref(), Some(why));
        }
        assert!(partial(r#""isPartial":true"#).is_some());
        assert_eq!(partial(r#""isPartial":false"#), None);
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        check("<html>", "expected value at line 1 column 1");
        check(
            "[1]",
            "invalid type: sequence, expected an answer of Prometheus' API at line 1 column 1",
        );
        assert!(!decode("{}".as_bytes()).unwrap().is_prometheus);
    }

    /// One of a body that breaks off anywhere is an error, and never a shorter answer.
    #[test]
    fn half_an_answer_is_none() {
        let body = matrix(r#"{"metric":{"a":"b"},"values":[[1,"2"],[2,"3"]]}"#);
        for length in 0..body.len() {
            assert!(decode(&body.as_bytes()[..length]).is_err(), "{length}");
        }
        assert_eq!(decode(body.as_bytes()).unwrap().samples(), 2);
    }
}
