//! Refresh tokens. They are derived, not stored: a stolen database does not contain them, and the same token can be derived again.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use neonchat_common::ids::SessionId;
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};

/// The version of the format: `v1.SESSION.COUNTER.MAC`.
const VERSION: &str = "v1";

/// The content of a genuine refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RefreshToken {
    pub(crate) session: SessionId,
    /// Its number among the refresh tokens of the session.
    pub(crate) counter: i32,
}

/// Derives and verifies refresh tokens with one key.
#[derive(Clone, Debug)]
pub(crate) struct RefreshTokens(hmac::Key);

impl RefreshTokens {
    pub(crate) const fn new(key: hmac::Key) -> Self {
        Self(key)
    }

    /// Derives a token.
    pub(crate) fn derive(&self, token: RefreshToken) -> SecretString {
        let text = token.text();
        let mac = hmac::sign(&self.0, text.as_bytes());
        SecretString::from(format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac)))
    }

    /// Returns the content of a token, or `None` if it is malformed or forged.
    pub(crate) fn verify(&self, token: &SecretString) -> Option<RefreshToken> {
        let (text, mac) = token.expose_secret().rsplit_once('.')?;
        let mac = BASE64_URL_SAFE_NO_PAD.decode(mac).ok()?;
        // In constant time.
        hmac::verify(&self.0, text.as_bytes(), &mac).ok()?;
        let (session, counter) = text.strip_prefix(VERSION)?.strip_prefix('.')?.split_once('.')?;
        let (session, counter) = (session.parse().ok()?, counter.parse().ok()?);
        Some(RefreshToken { session, counter })
    }
}

impl RefreshToken {
    fn text(self) -> String {
        format!("{VERSION}.{}.{}", self.session, self.counter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(key: &str) -> RefreshTokens {
        RefreshTokens::new(hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()))
    }

    #[test]
    fn derives_the_same_token_again() {
        let token = RefreshToken { session: SessionId::new(), counter: 7 };
        let (one, other) = (tokens("key").derive(token), tokens("key").derive(token));
        assert_eq!(one.expose_secret(), other.expose_secret());
        assert_eq!(tokens("key").verify(&one), Some(token));
        let next = tokens("key").derive(RefreshToken { counter: 8, ..token });
        assert_ne!(next.expose_secret(), one.expose_secret());
        assert!(!format!("{one:?}").contains("v1."));
    }

    #[test]
    fn rejects_forged_and_malformed_tokens() {
        let token = RefreshToken { session: SessionId::new(), counter: 7 };
        let good = tokens("key").derive(token).expose_secret().to_owned();
        let mac = good.rsplit_once('.').expect("MAC").1;
        let foreign = tokens("other").derive(token).expose_secret().to_owned();
        for bad in [
            foreign,
            good[..good.len() - 1].to_owned(),
            good.replacen(".7.", ".8.", 1),
            good.replacen("v1.", "v2.", 1),
            format!("v1.{}.7.{mac}", SessionId::new()),
            format!("{good}="),
            format!("{good}."),
            format!(".{mac}"),
            mac.to_owned(),
            "v1.x.7.".to_owned(),
            "v1".to_owned(),
            String::new(),
        ] {
            assert_eq!(tokens("key").verify(&bad.clone().into()), None, "{bad}");
        }
    }

    #[test]
    fn rejects_other_text_with_a_genuine_mac() {
        for text in
            ["v1", "v1.x.7", "v1.01890a5d-ac96-774b-bcce-b302099a8062", "v2.01890a5d-ac96-774b-bcce-b302099a8062.7"]
        {
            let mac = hmac::sign(&tokens("key").0, text.as_bytes());
            let token = SecretString::from(format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac)));
            assert_eq!(tokens("key").verify(&token), None, "{text}");
        }
    }
}
