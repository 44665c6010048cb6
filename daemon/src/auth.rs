//! (comes with settings)
/// x
#[must_use]
pub fn verify(_hash: &str, _password: &str) -> bool {
    false
}
