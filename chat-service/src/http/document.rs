//! The `OpenAPI` document: what is above each handler, and what holds for all of them.

use std::time::Duration;

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
        schema::AllOfBuilder,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::problems;
use crate::limits::requests::too_many;

/// The security scheme that handlers name.
const BEARER: &str = "bearer";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "NeonChat",
        description = "Accounts, chats and history of a messenger. Messages in real time come over WebSocket, from the \
                       notification service."
    ),
    servers((url = "/")),
    tags(
        (name = "auth", description = "Accounts and tokens"),
        (name = "users", description = "Who there is"),
        (name = "chats", description = "Chats, and how far they are read"),
        (name = "messages", description = "What is said in a chat"),
        (name = "operations", description = "What an operator's tools ask"),
    ),
    components(schemas(Problem)),
)]
struct Base;

/// The document of the service: of what operators ask, and of the API, which lies below `prefix`.
pub(super) fn document(operators: openapi::OpenApi, prefix: &str, mut api: openapi::OpenApi) -> openapi::OpenApi {
    for operation in operations(&mut api) {
        add_shared_problems(operation);
        for (_, response) in responses(operation) {
            refer(response, &["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"]);
        }
    }
    let mut document = Base::openapi().merge_from(operators).nest(prefix, api);
    for operation in operations(&mut document) {
        for (status, response) in responses(operation) {
            refer(response, &["X-Request-Id"]);
            finish_problem(status, response);
        }
    }
    let components = document.components.get_or_insert_default();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
    let bearer = bearer.description(Some("The `token` of a login."));
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer.build()));
    describe_headers(components);
    document
}

/// What every operation of the API may answer: because it is asked too often, has a fault, needs the database; and
/// because of what it reads from a request.
fn add_shared_problems(operation: &mut Operation) {
    let mut problems = vec![
        too_many(Duration::from_secs(12)),
        ApiError::new(ErrorCode::Internal, INTERNAL),
        ApiError::away("database"),
    ];
    if operation.security.is_some() {
        problems.extend([TokenError::Missing.into(), TokenError::Expired.into()]);
    }
    if operation.request_body.is_some() {
        let bad_json = "The body is not JSON: expected value at line 1 column 13.";
        problems.extend([ApiError::new(ErrorCode::BadJson, bad_json), too_large(), not_json()]);
    }
    for problem in problems.into_iter().chain(invalid(operation)) {
        problems::add(&mut operation.responses, &problem);
    }
}

/// An example of what may be wrong with the values of a request, where it has any.
fn invalid(operation: &Operation) -> Option<ApiError> {
    let first = operation.parameters.iter().flatten().find_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(parameter.name.clone()),
        RefOr::Ref(_) => None,
    });
    let number = "invalid type: integer `1`, expected a string at line 1 column 14";
    match (&operation.request_body, first) {
        (Some(_), _) => Some(ApiError::invalid("body", "format", number)),
        (None, Some(name)) if ["id", "ids"].contains(&&*name) => {
            Some(ApiError::invalid(name, "format", "should be a UUID"))
        }
        (None, Some(_)) => Some(ApiError::invalid("limit", "range", "should be a whole number from 1 to 100")),
        (None, None) => None,
    }
}

/// Says of an answer that is a problem which codes it may have, and which headers come with it.
fn finish_problem(status: &str, response: &mut Response) {
    let Some(RefOr::T(content)) = response.content.get_mut(PROBLEM_JSON) else { return };
    let codes: Vec<_> = content.examples.keys().cloned().collect();
    let titles = content.examples.values().filter_map(|example| match example {
        RefOr::T(example) => Some(example.summary.as_str()),
        RefOr::Ref(_) => None,
    });
    response.description = titles.collect::<Vec<_>>().join(", or: ");
    let code = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes));
    let narrowed = ObjectBuilder::new().property("code", code);
    content.schema = Some(AllOfBuilder::new().item(Ref::from_schema_name("Problem")).item(narrowed).into());
    match status {
        "401" => refer(response, &["WWW-Authenticate"]),
        "429" | "503" => refer(response, &["Retry-After"]),
        _ => {}
    }
}

/// The headers that answers refer to.
fn describe_headers(components: &mut Components) {
    for (name, kind, description) in [
        ("X-Request-Id", Type::String, "The caller's own, if it sent a sane one. The logs have the request under it."),
        ("RateLimit-Limit", Type::Integer, "How many requests a window has. Absent where requests are not counted."),
        ("RateLimit-Remaining", Type::Integer, "How many are left in this window."),
        ("RateLimit-Reset", Type::Integer, "In how many seconds there are more."),
        ("Retry-After", Type::Integer, "In how many seconds it may be worth trying again."),
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
