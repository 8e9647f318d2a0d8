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
    let expired = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &tokens.encoding).expect("issue token");
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
fn tolerates_a_fast_clock_for_tokens_of_a_session() {
    let tokens = tokens("secret");
    let token = tokens.issue_for_session(UserId::new(), "alice", SessionId::new()).expect("issue token");
    let mut claims = tokens.verify(&token).expect("verify token");
    let issued = claims.iat;
    for (ahead, is_valid) in [(600, true), (2 * SESSION_LEEWAY_SECS, false)] {
        (claims.iat, claims.exp) = (issued + ahead, issued + ahead + 3600);
        let json = serde_json::to_value(&claims).expect("encode JSON");
        let verified = tokens.verify(&sign(&tokens, &Header::new(Algorithm::HS256), &json));
        assert_eq!(verified.is_ok(), is_valid, "{ahead} s ahead");
    }
}

#[test]
fn reads_token_without_session() {
    let tokens = tokens("secret");
    let claims = tokens.verify(&tokens.issue(UserId::new(), "alice").expect("issue token")).expect("verify token");
    assert!(!serde_json::to_string(&claims).expect("encode JSON").contains("sid"));
    assert_eq!(TokenRef::from(&claims), TokenRef { jti: claims.jti, sid: None, iat: Some(claims.iat) });
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
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, Algorithm::HS256).expect("verify signature")
    );
}
