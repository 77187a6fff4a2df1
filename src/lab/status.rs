//! Answers of the Kubernetes API that are not objects: `Status`.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::store::Kind;

/// A refusal, with the words of a real API server.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure {
    code: u16,
    reason: &'static str,
    message: String,
    details: Option<Value>,
    metadata: Value,
    /// Whether it is sent as text, and not as a `Status`.
    plain: bool,
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

    /// Nothing is served there. Real servers say so in plain text.
    pub(super) fn no_page() -> Self {
        Self { plain: true, ..Self::of(404, "NotFound", "404 page not found\n".to_owned()) }
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
    pub(super) fn unsupported(kind: &str, known: &[&str]) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: \
             {} (got {kind})",
            known.join(", ")
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

    /// A watch from a version that is past. Watches of events are not served from the server's
    /// memory, and say it in other words.
    pub(super) fn expired_watch(kind: Kind, asked: u64, oldest: u64) -> Self {
        let message = if kind == Kind::Event {
            "The resourceVersion for the provided watch is too old.".to_owned()
        } else {
            format!("too old resource version: {asked} ({oldest})")
        };
        Self::of(410, "Expired", message)
    }

    /// A page of a list at a version that is past, with the token that goes on without it.
    pub(super) fn expired_continue(fresh: &str) -> Self {
        let message = "The provided continue parameter is too old to display a consistent list \
                       result. You can start a new list without the continue parameter, or use \
                       the continue token in this response to retrieve the remainder of the \
                       results. Continuing with the provided token results in an inconsistent \
                       list - objects that were created, modified, or deleted between the time \
                       the first chunk was returned and now may show up in the list.";
        Self {
            metadata: json!({"continue": fresh}),
            ..Self::of(410, "Expired", message.to_owned())
        }
    }

    /// A token that is none of ours.
    pub(super) fn bad_continue() -> Self {
        let message = "invalid continue token: continue key is not valid";
        Self::bad_request(message.to_owned())
    }

    /// An object, or a request, that cannot be as it is; `kind` with its group.
    pub(super) fn invalid(kind: &str, name: &str, field: &str) -> Self {
        let message = format!("{kind} \"{name}\" is invalid: {field}");
        let (bare, group) = kind.split_once('.').unwrap_or((kind, ""));
        let details = json!({"name": name, "group": group, "kind": bare});
        Self { details: Some(details), ..Self::of(422, "Invalid", message) }
    }

    /// A precondition does not hold.
    pub(super) fn conflict(plural: &str, group: &str, name: &str, why: &str) -> Self {
        let full = if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") };
        let message = format!("Operation cannot be fulfilled on {full} \"{name}\": {why}");
        let mut details = json!({"name": name, "kind": plural});
        if !group.is_empty() {
            details["group"] = group.into();
        }
        Self { details: Some(details), ..Self::of(409, "Conflict", message) }
    }

    /// A disruption budget has nothing left.
    pub(super) fn budget(budget: &str, desired: usize, healthy: usize) -> Self {
        let message = "Cannot evict pod as it would violate the pod's disruption budget.";
        let cause = format!(
            "The disruption budget {budget} needs {desired} healthy pods and has {healthy} \
             currently"
        );
        let details = json!({"causes": [{"reason": "DisruptionBudget", "message": cause}]});
        Self { details: Some(details), ..Self::of(429, "TooManyRequests", message.to_owned()) }
    }

    /// As it is sent.
    pub(super) fn json(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
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
        Self { code, reason, message, details: None, metadata: json!({}), plain: false }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let code = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if self.plain {
            let sniff = [(header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
            return (code, sniff, self.message).into_response();
        }
        let wait = self.details.as_ref().and_then(|details| details["retryAfterSeconds"].as_u64());
        let mut response = (code, Json(self.json())).into_response();
        if let Some(seconds) = wait {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
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
            &Failure::expired_watch(Kind::Pod, 1, 384),
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
