//! JSON Web Tokens, only with HS256 (contract, section 4).
//!
//! `jsonwebtoken` needs a cryptography provider. Its own providers build C code (`aws_lc_rs`) or depend on `rsa` with an open
//! advisory (`rust_crypto`). This module only needs HMAC-SHA-256 and takes it from ring, which TLS already depends on.

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

/// The tolerated difference between the clocks of two instances, in seconds.
const LEEWAY_SECS: u64 = 2;

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

    /// Issues a token for a user.
    ///
    /// # Errors
    /// Signing fails. No such case is known: HMAC accepts a key of any length.
    pub fn issue(&self, user_id: UserId, username: &str) -> Result<String, ApiError> {
        let iat = now().as_secs();
        let exp = iat.saturating_add(self.lifetime.as_secs());
        let claims = Claims { user_id, username: username.to_owned(), iat, exp, jti: TokenId::new() };
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
        let is_from_future = claims.iat > now().as_secs() + LEEWAY_SECS;
        if is_supported && !is_from_future { Ok(claims) } else { Err(TokenError::Invalid) }
    }
}

impl Claims {
    /// Returns the time until the token expires. With a huge `exp`, adding it to the current time overflows.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        Duration::from_secs(self.exp).saturating_sub(now())
    }
}

/// Returns the time since the Unix epoch.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
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
mod tests {
    use super::*;

    fn tokens(secret: &str) -> Tokens {
        Tokens::new(&SecretString::from(secret), Duration::from_hours(1))
    }

    #[test]
    fn verifies_issued_token() {
        let tokens = tokens("secret");
        let user = UserId::new();
        let claims = tokens.verify(&tokens.issue(user, "alice").expect("issue token")).expect("verify token");
        assert_eq!((claims.user_id, claims.username.as_str()), (user, "alice"));
        assert_eq!(claims.exp - claims.iat, 3600);
    }

    #[test]
    fn rejects_forged_foreign_and_expired_tokens() {
        let tokens = tokens("secret");
        let good = tokens.issue(UserId::new(), "alice").expect("issue token");
        let other = super::tests::tokens("other").issue(UserId::new(), "alice").expect("issue token");
        assert_eq!(tokens.verify(&other), Err(TokenError::Invalid));
        assert_eq!(tokens.verify("not.a.token"), Err(TokenError::Invalid));
        assert_eq!(tokens.verify(&good[..good.len() - 2]), Err(TokenError::Invalid));

        let mut claims = tokens.verify(&good).expect("verify token");
        claims.exp = claims.iat - 3600;
        let expired =
            jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &tokens.encoding).expect("issue token");
        assert_eq!(tokens.verify(&expired), Err(TokenError::Expired));
    }

    fn sign(tokens: &Tokens, header: &Header, claims: &serde_json::Value) -> String {
        jsonwebtoken::encode(header, claims, &tokens.encoding).expect("issue token")
    }

    #[test]
    fn rejects_token_before_its_start() {
        let tokens = tokens("secret");
        let good = tokens.verify(&tokens.issue(UserId::new(), "alice").expect("issue token")).expect("verify token");
        let good = serde_json::to_value(good).expect("encode JSON");
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
    fn rejects_unsupported_header() {
        let tokens = tokens("secret");
        let claims = tokens.verify(&tokens.issue(UserId::new(), "alice").expect("issue token")).expect("verify token");
        let claims = serde_json::to_value(claims).expect("encode JSON");
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
    fn accepts_token_with_maximal_expiry() {
        let tokens = Tokens::new(&SecretString::from("secret"), Duration::MAX);
        let claims = tokens.verify(&tokens.issue(UserId::new(), "alice").expect("issue token")).expect("verify token");
        assert_eq!(claims.exp, u64::MAX);
        assert!(claims.time_left() > Duration::from_hours(24));
    }

    #[test]
    fn rejects_other_algorithms() {
        // {"alg":"none"} and {"alg":"HS512"}, each with good claims and no or a wrong signature.
        let tokens = tokens("secret");
        let good = tokens.issue(UserId::new(), "alice").expect("issue token");
        let payload = good.split('.').nth(1).expect("split token");
        for header in ["eyJhbGciOiJub25lIn0", "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9"] {
            assert_eq!(tokens.verify(&format!("{header}.{payload}.")), Err(TokenError::Invalid));
        }
    }

    #[test]
    fn verifies_test_vector_of_rfc_7515_appendix_a_1() {
        let message = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                       eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let key = DecodingKey::from_base64_secret(
            "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ+EstJQLr/T+1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow==",
        )
        .expect("decode key");
        let _ = PROVIDER.install_default();
        let signature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert!(
            jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, Algorithm::HS256)
                .expect("verify signature")
        );
    }
}
