//! What the `http.rs` of each domain is made of: the extractor of bodies, documented errors, routes; CORS, and the choice of an encoding.
//!
//! The domains use this module, so it knows none of them. [`router`](crate::router) puts their handlers together.

mod cors;
pub(crate) mod encoding;
pub(crate) mod extract;
pub(crate) mod problems;
pub(crate) mod routes;

pub(crate) use self::cors::cors;
