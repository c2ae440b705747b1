//! What an error of Kafka asks for.
//!
//! The order is librdkafka's own: what is fatal to the producer comes first (the caller asks for that), then what a
//! person must mend, then what is the record's fault, and everything else passes. A producer that has failed is thrown
//! away in every case, so that nothing hangs on whether librdkafka calls an error retriable.

use fault::Fault;
use rdkafka::types::RDKafkaErrorCode as Code;

/// What a failed record asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    /// Nothing helps until a person acts, who is told this.
    Halt(&'static str),
    /// The broker refuses the set that the record was in, for this record's fault or another's.
    Refuse,
    /// It may pass later.
    Retry,
}

/// What a failed record asks for.
pub(crate) fn classify(code: Code) -> Asks {
    match code {
        // The topic's `max.message.bytes`, `message.timestamp.*` and `cleanup.policy`, or a plug-in of the broker's.
        Code::InvalidRecord
        | Code::InvalidTimestamp
        | Code::MessageBatchTooLarge
        | Code::MessageSizeTooLarge
        | Code::PolicyViolation => Asks::Refuse,
        // librdkafka asks for a new topic for half a minute before it says so.
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => Asks::Halt(
            "Create the topic, or correct `topic`; where a name is made by a template, each name needs its topic.",
        ),
        Code::InvalidTopic => {
            Asks::Halt("Correct `topic`: Kafka takes letters, digits, `.`, `_` and `-`, at most 249 of them.")
        }
        Code::TopicAuthorizationFailed => {
            Asks::Halt("Give this user the right to write to the topic (ACL: Write and Describe on the topic).")
        }
        Code::ClusterAuthorizationFailed => Asks::Halt(
            "Give this user the right to write idempotently (ACL: IdempotentWrite on the cluster, before Kafka 2.8).",
        ),
        Code::TransactionalIdAuthorizationFailed => Asks::Halt(
            "Give this user the right to its transactions (ACL: Write and Describe on the transactional id).",
        ),
        Code::Authentication
        | Code::SaslAuthenticationFailed
        | Code::UnacceptableCredential
        | Code::IllegalSASLState
        | Code::UnsupportedSASLMechanism => {
            Asks::Halt("Look at `sasl`: user, password and mechanism must be those that the brokers know.")
        }
        Code::SSL => Asks::Halt(
            "Look at `tls`: the brokers' certificate must come from `ca` and carry their names, and brokers that ask for \
             a certificate of ours must know its authority.",
        ),
        Code::InvalidTransactionTimeout => Asks::Halt(
            "Set `transaction.max.timeout.ms` of the brokers to a minute or more: transactions may take as long.",
        ),
        Code::UnsupportedCompressionType => Asks::Halt("These brokers do not know this compression: set another."),
        Code::InvalidRequiredAcks
        | Code::NotImplemented
        | Code::SecurityDisabled
        | Code::UnsupportedFeature
        | Code::UnsupportedForMessageFormat
        | Code::UnsupportedVersion => {
            Asks::Halt("These brokers are too old, or cannot write idempotently: Kafka 0.11 and later can.")
        }
        _ => Asks::Retry,
    }
}

/// The fault that keeps records open. `reason` is what the broker or librdkafka says.
pub(crate) fn fault(what: &str, code: Code, reason: String) -> Fault {
    match classify(code) {
        Asks::Halt(advice) => Fault::halt(what).caused_by(reason).advise(advice),
        Asks::Refuse | Asks::Retry => Fault::retry(what).caused_by(reason),
    }
}

#[cfg(test)]
mod tests {
    use fault::Verdict;

    use super::*;

    /// Guarantee: what only a person can mend halts with advice, what is a record's fault is refused, the rest passes.
    #[test]
    fn each_code_asks_for_what_it_must() {
        for code in [Code::MessageSizeTooLarge, Code::InvalidRecord, Code::InvalidTimestamp, Code::PolicyViolation] {
            assert_eq!(classify(code), Asks::Refuse, "{code:?}");
        }
        for code in [
            Code::Authentication,
            Code::ClusterAuthorizationFailed,
            Code::SSL,
            Code::TopicAuthorizationFailed,
            Code::UnknownTopicOrPartition,
            Code::UnsupportedCompressionType,
        ] {
            let fault = fault("failed to write to Kafka", code, code.to_string());
            assert_eq!(fault.verdict(), Verdict::Halt, "{code:?}");
            assert!(fault.advice().is_some(), "{code:?}");
        }
        for code in [
            Code::AllBrokersDown,
            Code::Fatal,
            Code::GaplessGuarantee,
            Code::InvalidDifferentRecord,
            Code::InvalidProducerEpoch,
            Code::KafkaStorageError,
            Code::MessageTimedOut,
            Code::NotEnoughReplicas,
            Code::OutOfOrderSequenceNumber,
            Code::PurgeInflight,
            Code::PurgeQueue,
            Code::QueueFull,
            Code::Unknown,
            Code::UnknownProducerId,
        ] {
            assert_eq!(classify(code), Asks::Retry, "{code:?}");
        }
    }
}
