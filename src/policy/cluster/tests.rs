use super::*;

fn names() -> Names {
    Names { resource: Some("R".to_owned()), group: Some("G".to_owned()), system: Some("S".to_owned()) }
}

/// Every cell as the source document has it, row by row: start, restart, stop; resource, then group.
const CELLS: [(Table, [[&[&str]; 2]; 3]); 5] = [
    (
        Table::SolarisCluster30,
        [
            [&["scswitch -e -j R"], &["scswitch -Z -g G"]],
            [&["scswitch -n -j R", "scswitch -e -j R"], &["scswitch -R -g G"]],
            [&["scswitch -n -j R"], &["scswitch -F -g G"]],
        ],
    ),
    (
        Table::SolarisCluster32,
        [
            [&["clrs online R"], &["clrg online G"]],
            [&["clrs disable R", "clrs enable R"], &["clrg restart G"]],
            [&["clrs offline R"], &["clrg disable G"]],
        ],
    ),
    (
        Table::Veritas,
        [
            [&["hares -online R -sys S"], &["hagrp -online G -sys S"]],
            [
                &["hares -offline R -sys S", "hares -online R -sys S"],
                &["hagrp -offline G -sys S", "hagrp -online G -sys S"],
            ],
            [&["hares -offline R -sys S"], &["hagrp -offline G -sys S"]],
        ],
    ),
    (
        Table::Clusterware,
        [
            [&["crsctl start resource R -n S"], &[]],
            [&["crsctl stop resource R -n S", "crsctl start resource R -n S"], &[]],
            [&["crsctl stop resource R -n S"], &[]],
        ],
    ),
    (
        Table::Pacemaker,
        [
            [
                &[
                    "pcs resource enable R",
                    "crm_resource --resource R --meta --set-parameter target-role --parameter-value Started",
                ],
                &[
                    "pcs resource enable G",
                    "crm_resource --resource G --meta --set-parameter target-role --parameter-value Started",
                ],
            ],
            [
                &["pcs resource restart R", "crm_resource --resource R --restart"],
                &["pcs resource restart G", "crm_resource --resource G --restart"],
            ],
            [
                &[
                    "pcs resource disable R",
                    "crm_resource --resource R --meta --set-parameter target-role --parameter-value Stopped",
                ],
                &[
                    "pcs resource disable G",
                    "crm_resource --resource G --meta --set-parameter target-role --parameter-value Stopped",
                ],
            ],
        ],
    ),
];

#[test]
fn r22_every_cell_of_the_four_tables_and_of_pacemakers_is_as_it_is_documented() {
    assert_eq!(CELLS.map(|(table, _)| table), Table::ALL);
    for (table, rows) in CELLS {
        for (action, cells) in Action::ALL.into_iter().zip(rows) {
            for (extent, cell) in Extent::ALL.into_iter().zip(cells) {
                assert_eq!(table.cell(action, extent, &names()), cell, "{table:?} {action:?} {extent:?}");
            }
        }
    }
}

#[test]
fn r22_every_table_is_headed_by_its_manager_and_the_versions_that_it_is_for() {
    let titles = [
        (Table::SolarisCluster30, "Oracle Solaris Cluster 3.0/3.1"),
        (Table::SolarisCluster32, "Oracle Solaris Cluster 3.2"),
        (Table::Veritas, "Veritas 3.5, 4.0, 4.1 and 5.0"),
        (Table::Clusterware, "Oracle Clusterware 12.1"),
        (Table::Pacemaker, "Pacemaker, by pcs or by crm_resource"),
    ];
    assert_eq!(titles.map(|(table, _)| table), Table::ALL);
    // Whose manager nobody knows reads all of them, and finds the own one by its heading.
    let detected = detect(&Said::Manager(Declared::default()), &Surroundings::default()).expect("it is declared");
    let refusal = detected.refusal();
    let headings: Vec<&str> = refusal.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    let headings: Vec<&str> = headings.into_iter().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(headings, titles.map(|(_, title)| title));
}

#[test]
fn r22_the_refusal_gives_every_command_with_the_names_filled_in() {
    let declared =
        Declared { kind: Some(ManagerType::VeritasCluster), version: Some("5.0".to_owned()), names: names() };
    let detected = detect(&Said::Manager(declared), &Surroundings::default()).expect("it is declared");
    let text = detected.refusal();
    assert!(
        text.starts_with("an HA setup was detected: the document declares highAvailability.mode: Manager\n"),
        "{text}"
    );
    for action in Action::ALL {
        for extent in Extent::ALL {
            for command in Table::Veritas.cell(action, extent, &names()) {
                assert!(text.contains(&command), "{command}: {text}");
            }
        }
    }
    // Of several commands the first stands behind what they do.
    let rows = [
        "    restart the resource  hares -offline R -sys S\n                          hares -online R -sys S\n",
        "    stop the resource     hares -offline R -sys S\n",
    ];
    for row in rows {
        assert!(text.contains(row), "{row}: {text}");
    }
    assert!(text.contains("start-msg ha") && !text.contains('<'), "{text}");
}

#[test]
fn r22_a_name_that_nobody_knows_is_said_to_be_missing() {
    let declared =
        Declared { kind: Some(ManagerType::SolarisCluster), version: Some("3.2".to_owned()), ..Declared::default() };
    let text = detect(&Said::Manager(declared), &Surroundings::default()).expect("it is declared").refusal();
    assert!(text.contains("clrs online <resource>\n") && text.contains("clrg online <group>\n"), "{text}");
    assert!(text.contains("highAvailability.manager"), "{text}");
    for (names, incomplete) in [
        (names(), false),
        (Names { resource: None, ..names() }, true),
        (Names { group: None, ..names() }, true),
        (Names { system: None, ..names() }, true),
    ] {
        assert_eq!(names.is_incomplete(), incomplete, "{names:?}");
    }
}

#[test]
fn r22_the_version_that_is_declared_or_else_found_chooses_the_table() {
    let table = |version: Option<&str>, commands: &[&str]| {
        let kind = Some(ManagerType::SolarisCluster);
        let declared = Declared { kind, version: version.map(str::to_owned), ..Declared::default() };
        let commands = commands.iter().map(|command| (*command).to_owned()).collect();
        let seen = Surroundings { commands, ..Surroundings::default() };
        detect(&Said::Manager(declared), &seen).expect("it is declared").tables
    };
    let [new, old] = SOLARIS_COMMANDS;
    assert_eq!(table(Some("3.0"), &[new]), [Table::SolarisCluster30]);
    assert_eq!(table(Some("3.1u4"), &[]), [Table::SolarisCluster30]);
    assert_eq!(table(Some("3.2"), &[old]), [Table::SolarisCluster32]);
    assert_eq!(table(Some("4.4"), &[]), [Table::SolarisCluster32]);
    assert_eq!(table(None, &[new, old]), [Table::SolarisCluster32]);
    assert_eq!(table(None, &[old]), [Table::SolarisCluster30]);
    assert_eq!(table(None, &[]), [Table::SolarisCluster30, Table::SolarisCluster32]);
    assert_eq!(table(Some("latest"), &[]), [Table::SolarisCluster30, Table::SolarisCluster32]);
}

#[test]
fn r22_a_manager_is_found_by_a_running_pacemaker_and_by_the_environment_of_its_agent() {
    let set = |name: &str, value: &str| Surroundings {
        variables: vec![(name.to_owned(), value.to_owned())],
        node: "alpha".to_owned(),
        ..Surroundings::default()
    };
    let pacemaker = Surroundings { pacemaker: Some(812), ..Surroundings::default() };
    let solaris = Surroundings { solaris_ancestor: Some((7, "rgmd".to_owned())), ..Surroundings::default() };
    let cases: [(Surroundings, &[Table], &str, Option<&str>); 6] = [
        (set("OCF_RESOURCE_INSTANCE", "mail:0"), &[Table::Pacemaker], "OCF_RESOURCE_INSTANCE=mail:0", Some("mail")),
        (set("OCF_ROOT", "/usr/lib/ocf"), &[Table::Pacemaker], "OCF_ROOT", None),
        (set("_CRS_NAME", "ms"), &[Table::Clusterware], "_CRS_NAME=ms", Some("ms")),
        (set("VCSAG_LOG_RESOURCE_NAME", "ms"), &[Table::Veritas], "VCSAG_LOG_RESOURCE_NAME=ms", Some("ms")),
        (pacemaker, &[Table::Pacemaker], "pacemakerd, pid 812", None),
        (solaris, &[Table::SolarisCluster30, Table::SolarisCluster32], "rgmd (pid 7)", None),
    ];
    for (seen, tables, why, resource) in cases {
        let detected = detect(&Said::Nothing, &seen).unwrap_or_else(|| panic!("{seen:?}"));
        assert_eq!(detected.tables, tables, "{seen:?}");
        assert!(detected.why.iter().any(|words| words.contains(why)), "{:?}", detected.why);
        assert_eq!(detected.names.resource.as_deref(), resource);
        assert_eq!(detect(&Said::NoManager, &seen), None, "mode: None is believed");
    }
    assert_eq!(detect(&Said::Nothing, &Surroundings { node: "alpha".to_owned(), ..Surroundings::default() }), None);
}

#[test]
fn r22_what_is_declared_comes_before_what_is_found_and_the_host_fills_in_the_system() {
    let declared = Declared { kind: Some(ManagerType::OracleClusterware), ..Declared::default() };
    let seen = Surroundings {
        variables: vec![("OCF_RESOURCE_INSTANCE".to_owned(), "other".to_owned())],
        node: "alpha".to_owned(),
        ..Surroundings::default()
    };
    let detected = detect(&Said::Manager(declared), &seen).expect("it is declared");
    assert_eq!(detected.tables, [Table::Clusterware]);
    assert_eq!(detected.names, Names { resource: None, group: None, system: Some("alpha".to_owned()) });
    assert_eq!(detected.why.len(), 2, "both reasons are told: {:?}", detected.why);
}

#[test]
fn r22_a_manager_of_which_nobody_knows_the_kind_gives_every_table() {
    let detected = detect(&Said::Manager(Declared::default()), &Surroundings::default()).expect("it is declared");
    assert_eq!(detected.tables, Table::ALL);
}
