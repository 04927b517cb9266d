//! Orion's command line: long flags with one dash (`-port 1026 -multiservice`). Its users have scripts, compose files
//! and charts full of them, so they work here.

use std::ffi::OsString;

/// What becomes of one of Orion's flags.
enum Meaning {
    /// It is this switch of ours; with a value, if Orion's has one.
    Switch(&'static str),
    /// It has no meaning here: there is no MongoDB, no thread pool, no notification cache.
    Nothing { has_value: bool },
    /// It would change what others may do, or what they get. Leaving it out would be a surprise, so it is an error.
    Missed,
}

/// Orion 4.7's flags (its "Command line options").
fn meaning(flag: &str) -> Option<Meaning> {
    use Meaning::{Missed, Nothing, Switch};
    Some(match flag {
        "port" => Switch("--port"),
        "localIp" => Switch("--listen"),
        "multiservice" => Switch("--multiservice"),
        "corsOrigin" => Switch("--cors-origin"),
        "corsMaxAge" => Switch("--cors-max-age-s"),
        "httpTimeout" => Switch("--http-timeout-ms"),
        "inReqPayloadMaxSize" => Switch("--body-max-bytes"),
        "fg" | "ipv4" | "ipv6" | "harakiri" | "noCache" | "statCounters" | "statSemWait" | "statTiming"
        | "statNotifQueue" | "relogAlarms" | "disableFileLog" | "logForHumans" | "disableMetrics"
        | "logDeprecate" => Nothing { has_value: false },
        "pidpath"
        | "dbURI"
        | "dbpwd"
        | "db"
        | "dbhost"
        | "dbuser"
        | "dbPoolSize"
        | "rplSet"
        | "dbTimeout"
        | "mqttTimeout"
        | "kafkaTimeout"
        | "reqTimeout"
        | "reqMutexPolicy"
        | "writeConcern"
        | "cprForwardLimit"
        | "subCacheIval"
        | "connectionMemory"
        | "maxConnections"
        | "reqPoolSize"
        | "outReqMsgMaxSize"
        | "notificationMode"
        | "notifFlowControl"
        | "logSummary"
        | "logLineMaxSize"
        | "logInfoPayloadMaxSize"
        | "mqttMaxAge"
        | "kafkaMaxAge"
        | "logDir"
        | "logLevel"
        | "t" => Nothing { has_value: true },
        "https"
        | "key"
        | "cert"
        | "insecureNotif"
        | "disableCustomNotifications"
        | "simulatedNotification" => Missed,
        _ => return None,
    })
}

/// `morgana broker ngsi-v2 ...` with Orion's flags replaced by ours. Any other command line stays, and so does a flag
/// that nobody knows: the error is the argument parser's.
pub(in crate::broker) fn with_orion_flags(arguments: Vec<OsString>) -> Vec<OsString> {
    let word = |index: usize| arguments.get(index).and_then(|word| word.to_str());
    if word(1) != Some("broker") || word(2) != Some("ngsi-v2") {
        return arguments;
    }
    let mut translated = Vec::with_capacity(arguments.len());
    let mut words = arguments.into_iter();
    while let Some(word) = words.next() {
        let flag =
            word.to_str().and_then(|word| word.strip_prefix('-')).filter(|flag| !flag.starts_with('-'));
        match flag.and_then(meaning) {
            None => translated.push(word),
            Some(Meaning::Switch(switch)) => translated.push(switch.into()),
            // With two dashes it is one that the argument parser does not know, and names.
            Some(Meaning::Missed) => {
                let mut missed = OsString::from("-");
                missed.push(&word);
                translated.push(missed);
            }
            Some(Meaning::Nothing { has_value }) => {
                let mut left_out = OsString::from("--orion-flag=");
                left_out.push(&word);
                translated.push(left_out);
                if has_value {
                    words.next();
                }
            }
        }
    }
    translated
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(line: &str) -> String {
        let words = with_orion_flags(line.split(' ').map(OsString::from).collect());
        words.into_iter().map(|word| word.into_string().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn orions_flags_become_ours() {
        assert_eq!(
            translated("morgana broker ngsi-v2 -port 1027 -multiservice --data /d -corsOrigin __ALL"),
            "morgana broker ngsi-v2 --port 1027 --multiservice --data /d --cors-origin __ALL"
        );
    }

    #[test]
    fn a_flag_without_a_meaning_goes_with_its_value() {
        assert_eq!(
            translated("morgana broker ngsi-v2 -dbURI mongodb://x -fg -port 1"),
            "morgana broker ngsi-v2 --orion-flag=-dbURI --orion-flag=-fg --port 1"
        );
    }

    #[test]
    fn a_flag_that_would_be_missed_is_one_that_the_parser_names() {
        assert_eq!(translated("morgana broker ngsi-v2 -https"), "morgana broker ngsi-v2 --https");
    }

    #[test]
    fn other_command_lines_stay() {
        for line in ["morgana broker ngsi-ld -port 1", "morgana up -x", "morgana broker ngsi-v2 -h --port 0"]
        {
            assert_eq!(translated(line), line);
        }
    }
}
