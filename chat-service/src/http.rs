//! The HTTP edge: which handler has which path ([`router`]), and how a request is read ([`extract`]).

mod cors;
mod document;
mod documents;
pub mod extract;
pub mod problems;
pub mod rate_limit;
pub mod router;
pub mod routes;

pub use self::cors::cors;
