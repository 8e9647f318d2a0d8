//! JSON Web Tokens, only with HS256.
//!
//! `jsonwebtoken` needs a cryptography provider. Its own providers build C code (`aws_lc_rs`) or depend on `rsa` with an open
//! advisory (`rust_crypto`). This module only needs HMAC-SHA-256 and takes it from ring, which TLS already depends on.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, TokenData, Validation,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error as JwtError, ErrorKind},
    signature::{Error as SignatureError, Signer, Verifier},
};
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    error::{ApiError, ErrorCode},
    ids::{SessionId, TokenId, UserId},
};

/// The tolerated difference between the clocks of two instances, in seconds.
const LEEWAY_SECS: u64 = 2;

/// How far in the future the `iat` of a session's token may be, in seconds. A clock that is fast by this much must not sign out the
/// users whose tokens its instance issued: whether such a token is still valid is decided by its session, not by its `iat`.
const SESSION_LEEWAY_SECS: u64 = 3600;

/// The claims of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    pub user_id: UserId,
    /// The username at the time of the login.
    pub username: String,
    /// The time of issue, in Unix seconds.
    pub iat: u64,
    /// The time of expiry, in Unix seconds.
    pub exp: u64,
    /// The id of the token. Revocation uses it.
    pub jti: TokenId,
    /// The session of the token. Its end revokes the token. Tokens of older versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
}

/// What revocation needs to know of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenRef {
    /// The id of the token.
    pub jti: TokenId,
    /// The session of the token, if it has one.
    pub sid: Option<SessionId>,
    /// The time of issue, in Unix seconds; `None` if it is not known.
    pub iat: Option<u64>,
}

/// A token without a session, of which only the id is known.
impl From<TokenId> for TokenRef {
    fn from(jti: TokenId) -> Self {
        Self { jti, sid: None, iat: None }
    }
}

impl From<&Claims> for TokenRef {
    fn from(claims: &Claims) -> Self {
        Self { jti: claims.jti, sid: claims.sid, iat: Some(claims.iat) }
    }
}

/// The reason why a token is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// There is no token.
    #[error("A token is required. Send the header Authorization: Bearer TOKEN.")]
    Missing,
    /// The token is malformed, forged, of another algorithm, without a required claim, or not valid yet.
    #[error("The token is not valid. Log in again.")]
    Invalid,
    /// The token was valid until its `exp`.
    #[error("The token has expired. Log in again.")]
    Expired,
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        let code = match error {
            TokenError::Missing | TokenError::Invalid => ErrorCode::Unauthorized,
            TokenError::Expired => ErrorCode::TokenExpired,
        };
        Self::new(code, error.to_string())
    }
}

/// Issues and verifies tokens with one secret.
#[derive(Clone)]
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    lifetime: Duration,
}

impl Tokens {
    /// Returns an issuer of tokens that are signed with `secret` and valid for `lifetime`.
    #[must_use]
    pub fn new(secret: &SecretString, lifetime: Duration) -> Self {
        // Fails if the provider is already installed.
        let _ = PROVIDER.install_default();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY_SECS;
        validation.validate_nbf = true;
        let secret = secret.expose_secret().as_bytes();
        Self {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            validation,
            lifetime,
        }
    }

    /// Returns the lifetime of a new token.
    #[must_use]
    pub const fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Issues a token without a session. The services issue only tokens of sessions; older versions and tests issue these.
    ///
    /// # Errors
    /// As [`Tokens::issue_for_session`].
    pub fn issue(&self, user_id: UserId, username: &str) -> Result<String, ApiError> {
        self.issue_with(user_id, username, None)
    }

    /// Issues a token for a session of a user.
    ///
    /// # Errors
    /// Signing fails. No such case is known: HMAC accepts a key of any length.
    pub fn issue_for_session(&self, user_id: UserId, username: &str, sid: SessionId) -> Result<String, ApiError> {
        self.issue_with(user_id, username, Some(sid))
    }

    fn issue_with(&self, user_id: UserId, username: &str, sid: Option<SessionId>) -> Result<String, ApiError> {
        let iat = now().as_secs();
        let exp = iat.saturating_add(self.lifetime.as_secs());
        let claims = Claims { user_id, username: username.to_owned(), iat, exp, jti: TokenId::new(), sid };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding).map_err(ApiError::internal)
    }

    /// Verifies the signature, header and times of a token (RFC 7519, RFC 8725). Returns its claims.
    ///
    /// # Errors
    /// [`TokenError::Invalid`] or [`TokenError::Expired`].
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation);
        let TokenData { header, claims, .. } = decoded.map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => TokenError::Expired,
            _ => TokenError::Invalid,
        })?;
        // No extension is supported, so a critical one has to be rejected (RFC 7515, section 4.1.11). A token of another type
        // is for another purpose.
        let is_supported = header.crit.is_none() && header.typ.is_none_or(|typ| typ.eq_ignore_ascii_case("JWT"));
        let leeway = if claims.sid.is_some() { SESSION_LEEWAY_SECS } else { LEEWAY_SECS };
        let is_from_future = claims.iat > now().as_secs() + leeway;
        if is_supported && !is_from_future { Ok(claims) } else { Err(TokenError::Invalid) }
    }
}

impl Claims {
    /// Returns the time until the token expires. With a huge `exp`, adding it to the current time overflows.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        Duration::from_secs(self.exp).saturating_sub(now())
    }

    /// Returns the time of expiry, at the latest the end of the year 9999: RFC 3339 has no later years.
    #[must_use]
    pub fn expires_at(&self) -> DateTime<Utc> {
        const END_OF_9999: u64 = 253_402_300_799;
        let seconds = i64::try_from(self.exp.min(END_OF_9999)).unwrap_or_default();
        DateTime::from_timestamp(seconds, 0).unwrap_or_default()
    }
}

/// Returns the time since the Unix epoch.
///
/// # Panics
/// The clock is set to a time before 1970. jsonwebtoken panics then, too.
#[expect(clippy::expect_used, reason = "no token can be issued or verified without the time")]
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("read a clock that is set to a time after 1970")
}

/// Returns the token of an `Authorization: Bearer …` header. The case of the scheme does not matter (RFC 9110, section 11.1).
///
/// # Errors
/// [`TokenError::Missing`] if the header has another scheme.
pub fn bearer(header: &str) -> Result<&str, TokenError> {
    match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(TokenError::Missing),
    }
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| {
        require_hs256(*algorithm)?;
        Ok(Box::new(Hs256(hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()))))
    },
    verifier_factory: |algorithm, key| {
        require_hs256(*algorithm)?;
        Ok(Box::new(Hs256(hmac::Key::new(hmac::HMAC_SHA256, key.try_get_as_bytes()?))))
    },
    key_utils: KeyUtils::new_unimplemented(),
};

fn require_hs256(algorithm: Algorithm) -> Result<(), JwtError> {
    if algorithm == Algorithm::HS256 { Ok(()) } else { Err(ErrorKind::InvalidAlgorithm.into()) }
}

struct Hs256(hmac::Key);

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        // In constant time.
        hmac::verify(&self.0, message, signature).map_err(|_| SignatureError::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests;
