//! JSON Web Tokens: HS256 and nothing else (contract, section 4).
//!
//! `jsonwebtoken` wants a provider of cryptography. Its own are a C build (`aws_lc_rs`) or pull in `rsa` with an open
//! advisory (`rust_crypto`); HMAC-SHA-256 is all that is needed here, and ring, which TLS brings anyway, has it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
    ids::{TokenId, UserId},
};

/// How far the clocks of two instances may be apart, in seconds.
const LEEWAY_SECS: u64 = 2;

/// What a token says of its bearer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who.
    pub user_id: UserId,
    /// The name at the time of the login.
    pub username: String,
    /// Issued at, Unix seconds.
    pub iat: u64,
    /// Expires at, Unix seconds.
    pub exp: u64,
    /// The token's own id, by which it is revoked.
    pub jti: TokenId,
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// None was given.
    #[error("A token is required. Send the header Authorization: Bearer TOKEN.")]
    Missing,
    /// Malformed, forged, of another algorithm, without a claim, or not valid yet.
    #[error("The token is not valid. Log in again.")]
    Invalid,
    /// It was good until its `exp`.
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

/// Issues and checks tokens with one secret.
#[derive(Clone)]
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    lifetime: Duration,
}

impl Tokens {
    /// Tokens signed with `secret` that are good for `lifetime`.
    #[must_use]
    pub fn new(secret: &SecretString, lifetime: Duration) -> Self {
        // Fails where it is installed already, which is as good.
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

    /// How long a new token is good.
    #[must_use]
    pub const fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// A new token for a user.
    ///
    /// # Errors
    /// None that is known of: HMAC takes a key of any length.
    pub fn issue(&self, user_id: UserId, username: &str) -> Result<String, ApiError> {
        let iat = now().as_secs();
        let exp = iat.saturating_add(self.lifetime.as_secs());
        let claims = Claims { user_id, username: username.to_owned(), iat, exp, jti: TokenId::new() };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding).map_err(ApiError::internal)
    }

    /// The claims of a token, once its signature, header, and times have been checked (RFC 7519, RFC 8725).
    ///
    /// # Errors
    /// [`TokenError::Invalid`] or [`TokenError::Expired`].
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation);
        let TokenData { header, claims, .. } = decoded.map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => TokenError::Expired,
            _ => TokenError::Invalid,
        })?;
        // No extension is known here, so a critical one is not understood (RFC 7515, section 4.1.11). Another type is a
        // token for another purpose.
        let is_known = header.crit.is_none() && header.typ.is_none_or(|typ| typ.eq_ignore_ascii_case("JWT"));
        let is_from_future = claims.iat > now().as_secs() + LEEWAY_SECS;
        if is_known && !is_from_future { Ok(claims) } else { Err(TokenError::Invalid) }
    }
}

impl Claims {
    /// For how long the token stays valid. With a huge `exp` that is more than a clock can be moved by.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        Duration::from_secs(self.exp).saturating_sub(now())
    }
}

/// The time since the Unix epoch.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The token of an `Authorization: Bearer …` header. The scheme's case does not matter (RFC 9110, section 11.1).
///
/// # Errors
/// [`TokenError::Missing`] where it is another scheme.
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
mod tests {
    use super::*;

    fn tokens(secret: &str) -> Tokens {
        Tokens::new(&SecretString::from(secret), Duration::from_hours(1))
    }

    #[test]
    fn a_token_comes_back_as_its_claims() {
        let tokens = tokens("secret");
        let user = UserId::new();
        let claims = tokens.verify(&tokens.issue(user, "alice").expect("a token")).expect("claims");
        assert_eq!((claims.user_id, claims.username.as_str()), (user, "alice"));
        assert_eq!(claims.exp - claims.iat, 3600);
    }

    #[test]
    fn refuses_forged_foreign_and_expired() {
        let tokens = tokens("secret");
        let good = tokens.issue(UserId::new(), "alice").expect("a token");
        let other = super::tests::tokens("other").issue(UserId::new(), "alice").expect("a token");
        assert_eq!(tokens.verify(&other), Err(TokenError::Invalid));
        assert_eq!(tokens.verify("not.a.token"), Err(TokenError::Invalid));
        assert_eq!(tokens.verify(&good[..good.len() - 2]), Err(TokenError::Invalid));

        let mut claims = tokens.verify(&good).expect("claims");
        claims.exp = claims.iat - 3600;
        let expired = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &tokens.encoding).expect("a token");
        assert_eq!(tokens.verify(&expired), Err(TokenError::Expired));
    }

    fn sign(tokens: &Tokens, header: &Header, claims: &serde_json::Value) -> String {
        jsonwebtoken::encode(header, claims, &tokens.encoding).expect("a token")
    }

    #[test]
    fn rejects_token_that_is_not_valid_yet() {
        let tokens = tokens("secret");
        let good = tokens.verify(&tokens.issue(UserId::new(), "alice").expect("a token")).expect("claims");
        let good = serde_json::to_value(good).expect("JSON");
        let with = |claim: &str, value: serde_json::Value| {
            let mut claims = good.clone();
            claims[claim] = value;
            tokens.verify(&sign(&tokens, &Header::new(Algorithm::HS256), &claims)).map(drop)
        };
        let now = now().as_secs();
        assert_eq!([with("iat", now.into()), with("nbf", (now - 60).into())], [Ok(()), Ok(())]);
        for time in [now + 60, u64::MAX] {
            assert_eq!(with("iat", time.into()), Err(TokenError::Invalid), "iat {time}");
            assert_eq!(with("nbf", time.into()), Err(TokenError::Invalid), "nbf {time}");
        }
        for (claim, value) in [("iat", "x".into()), ("nbf", "x".into()), ("exp", (-1).into()), ("exp", 1e300.into())] {
            assert_eq!(with(claim, value), Err(TokenError::Invalid), "{claim}");
        }
    }

    #[test]
    fn rejects_header_that_it_does_not_understand() {
        let tokens = tokens("secret");
        let claims = tokens.verify(&tokens.issue(UserId::new(), "alice").expect("a token")).expect("claims");
        let claims = serde_json::to_value(claims).expect("JSON");
        let verify = |typ: Option<&str>, crit: Option<&[&str]>| {
            let mut header = Header::new(Algorithm::HS256);
            header.typ = typ.map(str::to_owned);
            header.crit = crit.map(|names| names.iter().map(ToString::to_string).collect());
            tokens.verify(&sign(&tokens, &header, &claims)).map(drop)
        };
        assert_eq!([verify(None, None), verify(Some("jwt"), None)], [Ok(()), Ok(())]);
        for (typ, crit) in [(Some("at+jwt"), None), (Some("JWT"), Some(&["b64"][..])), (None, Some(&[]))] {
            assert_eq!(verify(typ, crit), Err(TokenError::Invalid), "{typ:?} {crit:?}");
        }
    }

    #[test]
    fn accepts_a_token_that_expires_after_the_end_of_time() {
        let tokens = Tokens::new(&SecretString::from("secret"), Duration::MAX);
        let claims = tokens.verify(&tokens.issue(UserId::new(), "alice").expect("a token")).expect("claims");
        assert_eq!(claims.exp, u64::MAX);
        assert!(claims.time_left() > Duration::from_hours(24));
    }

    #[test]
    fn refuses_any_other_algorithm() {
        // {"alg":"none"} and {"alg":"HS512"}, each with good claims and no or a wrong signature.
        let tokens = tokens("secret");
        let good = tokens.issue(UserId::new(), "alice").expect("a token");
        let payload = good.split('.').nth(1).expect("a payload");
        for header in ["eyJhbGciOiJub25lIn0", "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9"] {
            assert_eq!(tokens.verify(&format!("{header}.{payload}.")), Err(TokenError::Invalid));
        }
    }

    #[test]
    fn agrees_with_the_vector_of_rfc_7515_appendix_a_1() {
        let message = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                       eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let key = DecodingKey::from_base64_secret(
            "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ+EstJQLr/T+1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow==",
        )
        .expect("a key");
        let _ = PROVIDER.install_default();
        let signature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert!(jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, Algorithm::HS256).expect("verified"));
    }
}
