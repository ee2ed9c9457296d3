//! The validity period and names of a certificate, and warnings before clients refuse it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustls_pki_types::CertificateDer;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer as _};

use crate::users::moment::Moment;

const DAY: i64 = 24 * 60 * 60;
/// How long before its end an operator is warned.
const SOON: i64 = 21 * DAY;

/// The facts of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The names and addresses it is valid for.
    pub names: Vec<String>,
    /// When it becomes valid.
    pub from: Moment,
    /// When it expires, or the first certificate of its chain does.
    pub until: Moment,
}

/// A condition of a certificate that needs attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It is not valid yet.
    Early,
    /// It expires after this many days.
    Soon(i64),
    /// It has expired.
    Over,
}

impl Term {
    /// The names of the server's certificate, and the period in which its whole chain is valid. The chain begins with
    /// the server's own certificate.
    pub(super) fn of(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let mut term: Option<Self> = None;
        for der in chain {
            let (_, certificate) = X509Certificate::from_der(der).ok()?;
            let validity = certificate.validity();
            let from = Moment::from_second(validity.not_before.timestamp());
            let until = Moment::from_second(validity.not_after.timestamp());
            term = Some(match term {
                None => Self { names: names(&certificate), from, until },
                // A root does not belong in the chain: clients use their own.
                Some(term) if certificate.subject() == certificate.issuer() => term,
                Some(term) => Self { from: term.from.max(from), until: term.until.min(until), ..term },
            });
        }
        term
    }

    /// The condition that needs attention at `now`.
    #[must_use]
    pub fn condition(&self, now: Moment) -> Option<Condition> {
        let left = self.until.as_second() - now.as_second();
        match left {
            _ if now < self.from => Some(Condition::Early),
            ..0 => Some(Condition::Over),
            0..SOON => Some(Condition::Soon(left / DAY)),
            _ => None,
        }
    }

    /// The same as text.
    #[must_use]
    pub fn warning(&self, now: Moment) -> Option<String> {
        Some(match self.condition(now)? {
            Condition::Early => format!("is not valid before {}; is the clock right?", self.from),
            Condition::Over => format!("ended on {}: renew it, then 'ferryd reload'", self.until),
            Condition::Soon(days) => {
                let left = match days {
                    0 => "in less than a day".to_owned(),
                    1 => "in 1 day".to_owned(),
                    days => format!("in {days} days"),
                };
                format!("ends {left}, on {}: renew it, then 'ferryd reload'", self.until)
            }
        })
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(alternative)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes)));
            let six = || <[u8; 16]>::try_from(*bytes).map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes)));
            four.or_else(|_| six()).ok().map(|address| address.to_string())
        }
        _ => None,
    };
    alternative.value.general_names.iter().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn term() -> Term {
        let names = ["ferry.example", "192.0.2.7", "2001:db8::1"].map(str::to_owned);
        let mut params = CertificateParams::new(names).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2030, 1, 1), date_time_ymd(2030, 4, 1));
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Term::of(&[made.der().clone()]).unwrap()
    }

    #[test]
    fn a_certificate_tells_its_names_and_when_it_begins_and_ends() {
        let term = term();
        assert_eq!(term.names, ["ferry.example", "192.0.2.7", "2001:db8::1"]);
        assert_eq!((term.from.to_string(), term.until.to_string()), moments("2030-01-01", "2030-04-01"));
    }

    fn moments(from: &str, until: &str) -> (String, String) {
        (format!("{from}T00:00:00Z"), format!("{until}T00:00:00Z"))
    }

    #[test]
    fn the_end_of_a_certificate_is_announced_from_21_days_before() {
        let term = term();
        let state = |now: &str| term.condition(now.parse().unwrap());
        assert_eq!(state("2029-12-31"), Some(Condition::Early));
        assert_eq!((state("2030-01-01"), state("2030-03-11")), (None, None));
        assert_eq!(state("2030-03-11T00:00:01Z"), Some(Condition::Soon(20)));
        assert_eq!(state("2030-04-01"), Some(Condition::Soon(0)));
        assert_eq!(state("2030-04-01T00:00:01Z"), Some(Condition::Over));
        let said = |now: &str| term.warning(now.parse().unwrap()).unwrap_or_default();
        assert!(said("2030-03-20").starts_with("ends in 12 days, on 2030-04-01"), "{}", said("2030-03-20"));
        assert!(said("2030-05-01").starts_with("ended on 2030-04-01"), "{}", said("2030-05-01"));
        assert_eq!(said("2030-02-01"), "");
    }

    #[test]
    fn a_chain_ends_with_the_first_of_its_certificates_and_no_root_counts() {
        let until = |year, name: &str| {
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            params.not_after = date_time_ymd(year, 1, 1);
            params
        };
        let key = KeyPair::generate().unwrap();
        let root = rcgen::Issuer::new(until(2031, "root"), &key);
        let between = until(2035, "between").signed_by(&key, &root).unwrap().der().clone();
        let leaf = until(2040, "leaf").signed_by(&key, &root).unwrap().der().clone();
        let root = until(2031, "root").self_signed(&key).unwrap().der().clone();
        let term = Term::of(&[leaf, between, root]).unwrap();
        assert_eq!((term.until.to_string().as_str(), &*term.names), ("2035-01-01T00:00:00Z", &["leaf".to_owned()][..]));
    }
}
