//! Access tokens as Entra writes them, signed with a key that only this simulator has (HS256).

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::token::base64;

/// The claims that the simulator reads again, and those that make a token look right.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Claims {
    pub(crate) aud: String,
    pub(crate) iss: String,
    pub(crate) iat: i64,
    pub(crate) nbf: i64,
    pub(crate) exp: i64,
    pub(crate) appid: String,
    pub(crate) appidacr: String,
    pub(crate) idp: String,
    pub(crate) oid: String,
    /// Absent where nobody granted consent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) roles: Vec<String>,
    pub(crate) sub: String,
    pub(crate) tid: String,
    /// The token's own number.
    pub(crate) uti: String,
    pub(crate) ver: String,
}

/// Signs the claims into a token.
pub(crate) fn sign(claims: &Claims, key: &[u8; 32]) -> String {
    let header = base64::encode(br#"{"typ":"JWT","alg":"HS256","kid":"simulator"}"#);
    let claims = serde_json::to_vec(claims).expect("claims are strings and numbers");
    let signed = format!("{header}.{}", base64::encode(&claims));
    let signature = hmac(key, signed.as_bytes());
    format!("{signed}.{}", base64::encode(&signature))
}

/// The claims of a token that this key signed. Whether they are in force is the caller's to judge.
pub(crate) fn verify(token: &str, key: &[u8; 32]) -> Option<Claims> {
    let (signed, signature) = token.rsplit_once('.')?;
    if base64::decode(signature)? != hmac(key, signed.as_bytes()) {
        return None;
    }
    let (_, claims) = signed.split_once('.')?;
    serde_json::from_slice(&base64::decode(claims)?).ok()
}

/// HMAC-SHA-256 (RFC 2104) with a key shorter than a block.
fn hmac(key: &[u8; 32], message: &[u8]) -> Vec<u8> {
    let padded = |pad: u8| {
        let mut block = [pad; 64];
        block.iter_mut().zip(key).for_each(|(place, byte)| *place ^= byte);
        block
    };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        let text = |text: &str| text.to_owned();
        Claims {
            aud: text("https://api.securitycenter.microsoft.com"),
            iss: text("https://sts.windows.net/t/"),
            iat: 1,
            nbf: 1,
            exp: 2,
            appid: text("a"),
            appidacr: text("1"),
            idp: text("i"),
            oid: text("o"),
            roles: vec![text("Alert.Read.All")],
            sub: text("s"),
            tid: text("t"),
            uti: text("u"),
            ver: text("1.0"),
        }
    }

    /// A token leads back to its claims; one that was changed or signed elsewhere does not.
    #[test]
    fn only_own_tokens_count() {
        let token = sign(&claims(), &[7; 32]);
        assert_eq!(verify(&token, &[7; 32]), Some(claims()));
        assert_eq!(verify(&token, &[8; 32]), None);
        assert_eq!(verify(&format!("{token}A"), &[7; 32]), None);
        assert_eq!(verify("nonsense", &[7; 32]), None);
    }

    /// The second test case of RFC 4231, its key padded with the zeros that HMAC pads with.
    #[test]
    fn hmac_matches_the_rfc() {
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let hex: String =
            hmac(&key, b"what do ya want for nothing?").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected);
    }
}
