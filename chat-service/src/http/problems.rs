//! The errors that an operation may answer, as its document has them.
//!
//! A handler names those of its own; [`document`](super::document) adds what every operation of a kind may answer, so that
//! no handler can forget it. The examples are answers to real errors.

use std::collections::BTreeMap;

use neonchat_common::{
    error::ApiError,
    http::{PROBLEM_JSON, Problem},
};
use utoipa::{
    IntoResponses,
    openapi::{Content, RefOr, Response, Responses, example::Example},
};

use crate::{chats::error::ChatError, messages::error::MessageError, users::error::UserError};

const REQUEST_ID: &str = "0199c1a2-7b1e-7f6e-9d3c-5a4b8c7d6e5f";

macro_rules! problems {
    ($($name:ident: $error:expr;)+) => {$(
        #[doc = concat!("`", stringify!($error), "`, for the `responses` of a handler.")]
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                let mut responses = Responses::new();
                add(&mut responses, &ApiError::from($error));
                responses.responses
            }
        }
    )+};
}

problems! {
    NoSuchUser: UserError::NotFound;
    UsernameTaken: UserError::UsernameTaken;
    WrongCredentials: UserError::InvalidCredentials;
    NoSuchPartner: ChatError::NoSuchPartner;
    NoSuchChat: ChatError::NotFound;
    OtherContent: MessageError::IdempotencyMismatch;
}

/// Adds an error to the answers of an operation. Errors of one status share a response, with an example each.
pub fn add(responses: &mut Responses, error: &ApiError) {
    let response = responses.responses.entry(error.code.http_status().as_u16().to_string());
    let RefOr::T(response) = response.or_insert_with(|| Response::default().into()) else { return };
    let content = response.content.entry(PROBLEM_JSON.to_owned()).or_insert_with(|| Content::default().into());
    let RefOr::T(content) = content else { return };
    let mut example = Example::new();
    error.code.title().clone_into(&mut example.summary);
    example.value = serde_json::to_value(Problem::of(error, REQUEST_ID)).ok();
    content.examples.insert(error.code.to_string(), example.into());
}
