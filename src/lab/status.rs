//! Answers of the Kubernetes API that are not objects: `Status`.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// A refusal, with the words of a real API server.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure {
    code: u16,
    reason: &'static str,
    message: String,
    details: Option<Value>,
}

impl Failure {
    /// No object of that name.
    pub(super) fn no_object(plural: &str, group: &str, name: &str) -> Self {
        let full = if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") };
        let message = format!("{full} \"{name}\" not found");
        let mut details = json!({"name": name, "kind": plural});
        if !group.is_empty() {
            details["group"] = group.into();
        }
        Self { details: Some(details), ..Self::of(404, "NotFound", message) }
    }

    /// No such thing is served.
    pub(super) fn no_resource() -> Self {
        let message = "the server could not find the requested resource".to_owned();
        Self { details: Some(json!({})), ..Self::of(404, "NotFound", message) }
    }

    /// The lab does not do that.
    pub(super) fn not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self { details: Some(json!({})), ..Self::of(405, "MethodNotAllowed", message.to_owned()) }
    }

    /// The request does not read.
    pub(super) fn bad_request(message: String) -> Self {
        Self::of(400, "BadRequest", message)
    }

    /// The body is in a format the lab does not read.
    pub(super) fn unsupported(kind: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: \
             application/json (got {kind})"
        );
        Self::of(415, "UnsupportedMediaType", message)
    }

    /// A version that is not a number. Real servers answer 500 here.
    pub(super) fn bad_version(text: &str) -> Self {
        let message = format!(
            "resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": \
             invalid syntax"
        );
        Self::of(500, "", message)
    }

    /// A version that does not exist yet.
    pub(super) fn future_version(asked: u64, newest: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {asked}, current: {newest}");
        let details = json!({
            "causes": [{
                "reason": "ResourceVersionTooLarge",
                "message": "Too large resource version",
            }],
            "retryAfterSeconds": 1,
        });
        Self { details: Some(details), ..Self::of(504, "Timeout", message) }
    }

    /// A list at a version that is past.
    pub(super) fn expired_list() -> Self {
        let message = "The resourceVersion for the provided list is too old.".to_owned();
        Self::of(410, "Expired", message)
    }

    /// A watch from a version that is past.
    pub(super) fn expired_watch(asked: u64, oldest: u64) -> Self {
        Self::of(410, "Expired", format!("too old resource version: {asked} ({oldest})"))
    }

    /// A precondition does not hold.
    pub(super) fn conflict(plural: &str, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {plural} \"{name}\": {why}");
        let details = json!({"name": name, "kind": plural});
        Self { details: Some(details), ..Self::of(409, "Conflict", message) }
    }

    /// As it is sent.
    pub(super) fn json(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = self.reason.into();
        }
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status
    }

    fn of(code: u16, reason: &'static str, message: String) -> Self {
        Self { code, reason, message, details: None }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let code = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (code, Json(self.json())).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares with the body a Kubernetes 1.36 server sent.
    #[track_caller]
    fn check(failure: &Failure, recorded: &str) {
        assert_eq!(failure.json(), serde_json::from_str::<Value>(recorded).unwrap());
    }

    #[test]
    fn failures_read_as_recorded_from_kubernetes() {
        check(
            &Failure::no_object("pods", "", "none"),
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"pods \"none\" not found","reason":"NotFound","details":{"name":"none","kind":"pods"},"code":404}"#,
        );
        check(
            &Failure::expired_watch(1, 384),
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 1 (384)","reason":"Expired","code":410}"#,
        );
        check(
            &Failure::expired_list(),
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"The resourceVersion for the provided list is too old.","reason":"Expired","code":410}"#,
        );
        check(
            &Failure::bad_version("abc"),
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"resourceVersion: Invalid value: \"abc\": strconv.ParseUint: parsing \"abc\": invalid syntax","code":500}"#,
        );
        check(
            &Failure::future_version(999_999_999, 927),
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Timeout: Too large resource version: 999999999, current: 927","reason":"Timeout","details":{"causes":[{"reason":"ResourceVersionTooLarge","message":"Too large resource version"}],"retryAfterSeconds":1},"code":504}"#,
        );
        check(
            &Failure::bad_request("field label not supported: spec.nope".to_owned()),
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"field label not supported: spec.nope","reason":"BadRequest","code":400}"#,
        );
    }
}
