//! Lists in pages: `limit` cuts, `continue` goes on where the page before ended.
//!
//! All pages show one version, the first page's. When the history no longer has it, the caller is
//! told so with a token that goes on in what there is now, as Kubernetes does.

use std::sync::Arc;

use serde_json::{Value, json};

use super::query::Params;
use crate::lab::{
    status::Failure,
    store::{Kind, Store},
};

/// Where the next page begins. Opaque to callers, readable to us: `VERSION.NAMESPACE/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Continue {
    /// The version of the first page; whatever there is, if none.
    version: Option<u64>,
    /// The last object of the page before.
    after: String,
}

/// A part of a list.
pub(super) struct Page {
    /// The objects on it.
    pub(super) objects: Vec<Arc<Value>>,
    /// The metadata of the list.
    pub(super) metadata: Value,
}

impl Continue {
    fn read(text: &str) -> Result<Self, Failure> {
        let (version, after) = text.split_once('.').ok_or_else(Failure::bad_continue)?;
        let version = match version {
            "-1" => None,
            version => Some(version.parse().map_err(|_error| Failure::bad_continue())?),
        };
        after.contains('/').then_some(()).ok_or_else(Failure::bad_continue)?;
        Ok(Self { version, after: after.to_owned() })
    }

    fn write(&self) -> String {
        let version = self.version.map_or_else(|| "-1".to_owned(), |version| version.to_string());
        format!("{version}.{}", self.after)
    }
}

/// The page of a list that a request asks for, of the objects it means.
pub(super) fn page(
    store: &Store,
    kind: Kind,
    query: &Params,
    means: impl Fn(&Value) -> bool,
) -> Result<Page, Failure> {
    let limit = query.number("limit")?.filter(|limit| *limit > 0);
    let token = query.get("continue").map(Continue::read).transpose()?;
    let (version, mut objects) = read(store, kind, query, token.as_ref(), limit.is_some())?;
    objects.retain(|object| {
        let is_after = token.as_ref().is_none_or(|token| key(object) > token.after);
        is_after && means(object)
    });
    let mut metadata = json!({"resourceVersion": version.to_string()});
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    if objects.len() > limit {
        let rest = objects.split_off(limit);
        if let Some(last) = objects.last() {
            let token = Continue { version: Some(version), after: key(last) };
            metadata["continue"] = token.write().into();
        }
        // A server that filters does not know how many more will match.
        if query.get("labelSelector").is_none() && query.get("fieldSelector").is_none() {
            metadata["remainingItemCount"] = rest.len().into();
        }
    }
    Ok(Page { objects, metadata })
}

/// All objects at the version that is meant.
fn read(
    store: &Store,
    kind: Kind,
    query: &Params,
    token: Option<&Continue>,
    limited: bool,
) -> Result<(u64, Vec<Arc<Value>>), Failure> {
    let asked = query.version()?;
    let exact = match query.get("resourceVersionMatch") {
        Some("Exact") => true,
        Some("NotOlderThan") => false,
        // With a limit, a version without a word on it is meant exactly.
        None => limited && asked.is_some(),
        Some(other) => {
            let supported = "supported values: \"Exact\", \"NotOlderThan\"";
            let field =
                format!("resourceVersionMatch: Unsupported value: \"{other}\": {supported}");
            return Err(Failure::invalid("ListOptions.meta.k8s.io", "", &field));
        }
    };
    if query.get("resourceVersionMatch").is_some() && query.get("resourceVersion").is_none() {
        let field = "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless \
                     resourceVersion is provided";
        return Err(Failure::invalid("ListOptions.meta.k8s.io", "", field));
    }
    if let Some(token) = token {
        if asked.is_some() {
            let message = "specifying resource version is not allowed when using continue";
            return Err(Failure::bad_request(message.to_owned()));
        }
        let Some(version) = token.version else { return Ok(store.list(kind)) };
        return match store.list_at(kind, version) {
            Ok(objects) => Ok((version, objects)),
            Err(_) => {
                let fresh = Continue { version: None, after: token.after.clone() };
                Err(Failure::expired_continue(&fresh.write()))
            }
        };
    }
    let newest = store.version();
    match asked {
        Some(asked) if asked > newest => Err(Failure::future_version(asked, newest)),
        Some(asked) if exact => match store.list_at(kind, asked) {
            Ok(objects) => Ok((asked, objects)),
            Err(_) => Err(Failure::expired_list()),
        },
        Some(_) | None => Ok(store.list(kind)),
    }
}

fn key(object: &Value) -> String {
    let part = |name: &str| object["metadata"][name].as_str().unwrap_or_default();
    format!("{}/{}", part("namespace"), part("name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> Store {
        let store = Store::new(100);
        for name in ["a", "b", "c", "d", "e"] {
            store.put(Kind::Pod, json!({"metadata": {"namespace": "shop", "name": name}}));
        }
        store
    }

    fn ask(store: &Store, query: &[(&str, &str)]) -> Result<Page, Failure> {
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        page(store, Kind::Pod, &Params(query.collect()), |_| true)
    }

    fn names(page: &Page) -> String {
        page.objects.iter().map(|pod| pod["metadata"]["name"].as_str().unwrap()).collect()
    }

    /// Asks for pages of two until there are no more.
    fn pages(store: &Store, mut token: String, between: impl Fn(&Store)) -> Vec<String> {
        let mut pages = Vec::new();
        loop {
            let page = ask(store, &[("limit", "2"), ("continue", &token)]).unwrap();
            pages.push(names(&page));
            between(store);
            match page.metadata["continue"].as_str() {
                Some(next) => token = next.to_owned(),
                None => return pages,
            }
        }
    }

    #[test]
    fn pages_show_one_version_whatever_happens_between_them() {
        let store = store();
        let change = |store: &Store| {
            store.delete(Kind::Pod, "shop", "d");
            store.put(Kind::Pod, json!({"metadata": {"namespace": "shop", "name": "f"}}));
        };
        assert_eq!(pages(&store, String::new(), change), ["ab", "cd", "e"]);
    }

    #[test]
    fn a_page_says_how_many_are_left_unless_it_filters() {
        let first = ask(&store(), &[("limit", "2")]).unwrap().metadata;
        assert_eq!(first["remainingItemCount"], 3);
        let filtered = ask(&store(), &[("limit", "2"), ("labelSelector", "x")]).unwrap().metadata;
        assert_eq!(filtered["remainingItemCount"], Value::Null);
        assert!(filtered["continue"].is_string());
    }

    #[test]
    fn an_expired_token_comes_back_with_one_that_goes_on_in_what_there_is() {
        let store = store();
        let first = ask(&store, &[("limit", "2")]).unwrap();
        store.delete(Kind::Pod, "shop", "d");
        store.compact();
        let token = first.metadata["continue"].as_str().unwrap();
        let expired = ask(&store, &[("limit", "2"), ("continue", token)]).err().unwrap().json();
        assert_eq!((&expired["code"], &expired["reason"]), (&json!(410), &json!("Expired")));
        let fresh = expired["metadata"]["continue"].as_str().unwrap().to_owned();
        assert_eq!(pages(&store, fresh, |_| ()), ["ce"]);
    }

    #[test]
    fn a_version_is_met_exactly_at_least_or_not_at_all() {
        let store = store();
        let at = |version: &str, how: &str| {
            let query = [("resourceVersion", version), ("resourceVersionMatch", how)];
            ask(&store, &query).map(|page| names(&page)).map_err(|e| e.json()["code"].clone())
        };
        assert_eq!(at("2", "Exact"), Ok("ab".to_owned()));
        assert_eq!(at("2", "NotOlderThan"), Ok("abcde".to_owned()));
        assert_eq!(at("2", "Roughly"), Err(json!(422)));
        assert_eq!(at("99", "Exact"), Err(json!(504)));
        assert_eq!(at("", "Exact"), Err(json!(422)));
    }

    #[test]
    fn a_token_that_does_not_read_is_a_bad_request() {
        for token in ["garbage", "x.shop/a", "1.shop"] {
            let refused = ask(&store(), &[("continue", token)]).err().unwrap().json();
            assert_eq!(refused["code"], 400, "{token}");
        }
    }
}
