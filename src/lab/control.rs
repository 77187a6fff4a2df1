//! `POST /lab/…`: disturbs a running lab now. Tests use it, and people who want to see something.

use std::{fmt::Display, str::FromStr, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Deserialize;
use serde_json::json;

use super::{
    disturbance::{Disturbance, Disturber},
    exporter::Exposure,
    values::{at_least_one, duration, factor},
};

/// The control.
pub(super) struct Control(Arc<Disturber>);

impl Control {
    /// A control of a lab.
    pub(super) fn new(disturber: Arc<Disturber>) -> Self {
        Self(disturber)
    }

    /// `/lab/WHAT`.
    pub(super) fn router(self) -> Router {
        Router::new().route("/lab/{what}", post(disturb)).with_state(self.0)
    }
}

/// What the query may say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDetails {
    factor: Option<String>,
    pods: Option<String>,
    rate: Option<String>,
    r#for: Option<String>,
    how: Option<String>,
}

async fn disturb(
    State(disturber): State<Arc<Disturber>>,
    Path(what): Path<String>,
    query: Result<Query<RawDetails>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let wish = query
        .map_err(|error| (StatusCode::BAD_REQUEST, error.body_text()))
        .and_then(|Query(details)| read(&what, &details));
    match wish {
        Ok(wish) => Json(json!({"done": disturber.disturb(wish)})).into_response(),
        Err((code, error)) => (code, Json(json!({"error": error}))).into_response(),
    }
}

fn read(what: &str, details: &RawDetails) -> Result<Disturbance, (StatusCode, String)> {
    let bad = |error: String| (StatusCode::BAD_REQUEST, error);
    let lasts = details.r#for.as_deref().map(duration).transpose().map_err(bad)?;
    let pods = said(details.pods.as_deref(), 1, at_least_one).map_err(bad)?;
    let number = |said_: &Option<String>, default| said(said_.as_deref(), default, factor);
    Ok(match what {
        "rollout" => Disturbance::Rollout,
        "spike" => Disturbance::Spike { factor: number(&details.factor, 3.0).map_err(bad)?, lasts },
        "slow" => Disturbance::Slow { pods, factor: number(&details.factor, 10.0).map_err(bad)? },
        "leak" => Disturbance::Leak { pods, rate: number(&details.rate, 4.0).map_err(bad)? },
        "cut-metrics" => {
            let exposure = said(details.how.as_deref(), Exposure::Refused, parsed).map_err(bad)?;
            Disturbance::Cut { exposure, lasts }
        }
        "drop-watches" => Disturbance::DropWatches,
        "compact" => Disturbance::Compact,
        _ => {
            let known = "rollout, spike, slow, leak, cut-metrics, drop-watches, compact";
            return Err((StatusCode::NOT_FOUND, format!("`{what}` is none of {known}")));
        }
    })
}

fn said<T>(
    text: Option<&str>,
    default: T,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, String> {
    text.map_or(Ok(default), read)
}

fn parsed<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[track_caller]
    fn check(what: &str, details: &RawDetails, want: Result<Disturbance, u16>) {
        assert_eq!(read(what, details).map_err(|(code, _)| code.as_u16()), want);
    }

    #[test]
    fn what_is_not_said_is_as_in_the_switches() {
        let none = RawDetails::default();
        check("rollout", &none, Ok(Disturbance::Rollout));
        check("spike", &none, Ok(Disturbance::Spike { factor: 3.0, lasts: None }));
        check("slow", &none, Ok(Disturbance::Slow { pods: 1, factor: 10.0 }));
        check("leak", &none, Ok(Disturbance::Leak { pods: 1, rate: 4.0 }));
        let cut = Disturbance::Cut { exposure: Exposure::Refused, lasts: None };
        check("cut-metrics", &none, Ok(cut));
    }

    #[test]
    fn details_are_read_and_nonsense_is_refused() {
        let text = |text: &str| Some(text.to_owned());
        let hang = RawDetails { how: text("hang"), r#for: text("5s"), ..RawDetails::default() };
        let lasts = Some(Duration::from_secs(5));
        check("cut-metrics", &hang, Ok(Disturbance::Cut { exposure: Exposure::Hanging, lasts }));
        let back = RawDetails { how: text("serve"), ..RawDetails::default() };
        let served = Disturbance::Cut { exposure: Exposure::Served, lasts: None };
        check("cut-metrics", &back, Ok(served));
        check("spike", &RawDetails { factor: text("0"), ..RawDetails::default() }, Err(400));
        check("slow", &RawDetails { pods: text("no"), ..RawDetails::default() }, Err(400));
        check("explode", &RawDetails::default(), Err(404));
    }
}
