//! The documented errors of the operations.
//!
//! A handler names its own errors. The [`router`](crate::router) adds those that every operation of a kind may answer,
//! so that no handler can omit them. The examples are made from real errors.

use std::collections::BTreeMap;

use neonchat_common::{
    error::ApiError,
    http::{PROBLEM_JSON, Problem},
};
use utoipa::openapi::{Content, Ref, RefOr, Response, Responses, example::Example};

const REQUEST_ID: &str = "0199c1a2-7b1e-7f6e-9d3c-5a4b8c7d6e5f";

/// Documents errors of a domain, each as a type that the `responses` of a handler may name.
macro_rules! problems {
    ($($name:ident: $error:expr;)+) => {$(
        #[doc = concat!("`", stringify!($error), "`, for the `responses` of a handler.")]
        struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<String, utoipa::openapi::RefOr<utoipa::openapi::Response>> {
                $crate::http::problems::responses(stringify!($name), &neonchat_common::error::ApiError::from($error))
            }
        }
    )+};
}

pub(crate) use problems;

/// Returns the responses of an operation that has only this error.
pub(crate) fn responses(name: &str, error: &ApiError) -> BTreeMap<String, RefOr<Response>> {
    let mut responses = Responses::new();
    add(&mut responses, name, error);
    responses.responses
}

/// Adds an error to the responses of an operation. Errors with the same status share a response, with one example each.
pub(crate) fn add(responses: &mut Responses, name: &str, error: &ApiError) {
    let response = responses.responses.entry(error.code.http_status().as_u16().to_string());
    let RefOr::T(response) = response.or_insert_with(|| Response::default().into()) else { return };
    let content = response.content.entry(PROBLEM_JSON.to_owned()).or_insert_with(|| Content::default().into());
    let RefOr::T(content) = content else { return };
    let mut example = Example::new();
    error.code.title().clone_into(&mut example.summary);
    example.value = serde_json::to_value(Problem::new(error, REQUEST_ID)).ok();
    content.examples.insert(name.to_owned(), example.into());
}

/// Moves the problems of an operation into `shared`, in which operations with the same codes share a response. So a
/// generated client has one type for them instead of one for each operation and status.
pub(crate) fn share(responses: &mut Responses, shared: &mut BTreeMap<String, RefOr<Response>>) {
    for response in responses.responses.values_mut() {
        let RefOr::T(own) = response else { continue };
        let Some(RefOr::T(content)) = own.content.get_mut(PROBLEM_JSON) else { continue };
        let codes = codes(content);
        let name = codes.keys().map(|code| pascal_case(code)).collect::<Vec<_>>().join("Or");
        content.schema = Some(Ref::from_schema_name("Problem").into());
        let meanings = codes.iter().map(|(code, title)| format!("`{code}`: {title}."));
        own.description = meanings.collect::<Vec<_>>().join(" ");
        let examples = content.examples.clone();
        let known = shared.entry(name.clone()).or_insert_with(|| own.clone().into());
        if let RefOr::T(known) = known
            && let Some(RefOr::T(content)) = known.content.get_mut(PROBLEM_JSON)
        {
            content.examples.extend(examples);
        }
        *response = RefOr::Ref(Ref::from_response_name(name));
    }
}

/// Returns the codes and titles of the problems in a response, taken from its examples.
fn codes(content: &Content) -> BTreeMap<String, String> {
    let example = |example: &RefOr<Example>| match example {
        RefOr::T(Example { value: Some(value), summary, .. }) => {
            Some((value.get("code")?.as_str()?.to_owned(), summary.clone()))
        }
        _ => None,
    };
    content.examples.values().filter_map(example).collect()
}

fn pascal_case(code: &str) -> String {
    let word = |word: &str| {
        word.chars().next().map(|c| c.to_ascii_uppercase()).into_iter().chain(word.chars().skip(1)).collect::<String>()
    };
    code.split('_').map(word).collect()
}
