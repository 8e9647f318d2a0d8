//! The `OpenAPI` document: the documentation of each handler, and what all of them share.

use std::{collections::BTreeMap, time::Duration};

use neonchat_common::{
    error::{ApiError, ErrorCode, INTERNAL},
    http::{PROBLEM_JSON, Problem, not_json, too_large},
    token::TokenError,
};
use utoipa::{
    OpenApi,
    openapi::{
        self, Components, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response, Type,
        path::Operation,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{http::problems, limits::limiter::rate_limited};

/// The security scheme that handlers name.
const BEARER: &str = "bearer";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "NeonChat",
        description = "Accounts, chats and message history of NeonChat, a messenger. Live events are sent over WebSocket; \
                       docs/PROTOCOL.md and docs/asyncapi.json describe that protocol.\n\n\
                       Ids are UUIDs. Times are in UTC, in the format of RFC 3339. `seq` numbers the durable events of a \
                       chat: 1, 2, 3 … without gaps. Later versions may add fields, event types and error codes; clients \
                       ignore those that they do not know."
    ),
    servers((url = "/")),
    tags(
        (name = "auth", description = "Accounts and tokens"),
        (name = "users", description = "Profiles and presence"),
        (name = "chats", description = "Chats and read markers"),
        (name = "groups", description = "Groups and channels: members, roles, invites and bans"),
        (name = "messages", description = "Messages and events of a chat"),
        (name = "operations", description = "Health, readiness and metrics, for operators"),
    ),
    components(schemas(Problem)),
)]
struct Base;

/// Returns the document of the operations endpoints, and of the API below `prefix`.
pub(super) fn document(operators: openapi::OpenApi, prefix: &str, mut api: openapi::OpenApi) -> openapi::OpenApi {
    for operation in operations(&mut api) {
        add_shared_problems(operation);
        for (_, response) in responses(operation) {
            refer(response, &["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"]);
        }
    }
    let mut document = Base::openapi().merge_from(operators).nest(prefix, api);
    let mut shared = BTreeMap::new();
    for operation in operations(&mut document) {
        for (status, response) in responses(operation) {
            refer(response, &["X-Request-Id"]);
            if response.content.contains_key(PROBLEM_JSON) {
                refer_to_headers_of(status, response);
            }
        }
        problems::share(&mut operation.responses, &mut shared);
    }
    let components = document.components.get_or_insert_default();
    components.responses.extend(shared);
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
    let bearer = bearer.description(Some("The `token` that `POST /api/v1/auth/login` returns."));
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer.build()));
    describe_headers(components);
    document
}

/// Adds the problems that every operation of the API may answer, and those that follow from what it reads of a request.
fn add_shared_problems(operation: &mut Operation) {
    let mut problems = vec![
        rate_limited(Duration::from_secs(12)),
        ApiError::new(ErrorCode::Internal, INTERNAL),
        ApiError::unavailable_without_cause("database"),
    ];
    if operation.security.is_some() {
        problems.extend([TokenError::Missing.into(), TokenError::Expired.into()]);
    }
    if operation.request_body.is_some() {
        let bad_json = "The body is not valid JSON: expected value at line 1 column 13.";
        problems.extend([ApiError::new(ErrorCode::BadJson, bad_json), too_large(), not_json()]);
    }
    for problem in problems {
        problems::add(&mut operation.responses, problem.code.as_str(), &problem);
    }
    if let Some((name, problem)) = invalid(operation) {
        problems::add(&mut operation.responses, name, &problem);
    }
}

/// Returns an example of an invalid value, if the request has any values.
fn invalid(operation: &Operation) -> Option<(&'static str, ApiError)> {
    let first = operation.parameters.iter().flatten().find_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(parameter.name.as_str()),
        RefOr::Ref(_) => None,
    });
    Some(match (&operation.request_body, first) {
        (Some(_), _) => ("InvalidBody", ApiError::invalid("body", "format", "should be a JSON object")),
        (None, Some("id")) => ("InvalidId", ApiError::invalid("id", "format", "should be a UUID")),
        (None, Some(_)) => {
            ("InvalidLimit", ApiError::invalid("limit", "range", "should be a whole number from 1 to 100"))
        }
        (None, None) => return None,
    })
}

/// Adds the headers of problems with a status.
fn refer_to_headers_of(status: &str, problem: &mut Response) {
    match status {
        "401" => refer(problem, &["WWW-Authenticate"]),
        "429" | "503" => refer(problem, &["Retry-After"]),
        _ => {}
    }
}

/// Adds the headers that answers refer to.
fn describe_headers(components: &mut Components) {
    for (name, kind, description) in [
        (
            "X-Request-Id",
            Type::String,
            "The id of the request in the logs of the server. It is the caller's own if the request had a valid one.",
        ),
        ("RateLimit-Limit", Type::Integer, "Requests allowed per window. Absent if requests are not limited."),
        ("RateLimit-Remaining", Type::Integer, "Requests left in the current window."),
        ("RateLimit-Reset", Type::Integer, "Seconds until the current window ends."),
        ("Retry-After", Type::Integer, "Seconds to wait before the next attempt."),
        ("WWW-Authenticate", Type::String, "`Bearer`."),
    ] {
        let schema = ObjectBuilder::new().schema_type(kind);
        let header = HeaderBuilder::new().schema(Some(schema)).description(Some(description));
        components.headers.insert(name.to_owned(), header.build().into());
    }
}

fn refer(response: &mut Response, headers: &[&str]) {
    for name in headers {
        let header = Ref::new(format!("#/components/headers/{name}"));
        response.headers.insert((*name).to_owned(), RefOr::Ref(header));
    }
}

fn operations(document: &mut openapi::OpenApi) -> impl Iterator<Item = &mut Operation> {
    let items = document.paths.paths.values_mut();
    items
        .flat_map(|item| [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete])
        .filter_map(Option::as_mut)
}

fn responses(operation: &mut Operation) -> impl Iterator<Item = (&str, &mut Response)> {
    operation.responses.responses.iter_mut().filter_map(|(status, response)| match response {
        RefOr::T(response) => Some((status.as_str(), response)),
        RefOr::Ref(_) => None,
    })
}
