"""The rules of `tl check` as custom checks of checkov: the same findings in its report.

    checkov -d FOLDER --framework cloudformation --external-checks-dir compliance/checkov_rules

checkov gives a custom check one resource, without siblings or conditions, and never one whose
condition is false by default or whose file it could not read. So a check looks up what
`tljudge` found in the whole folder, and after checkov's own walk each finding becomes one
record, whether or not checkov came by its resource:

- FAIL and UNKNOWN are failed records (checkov drops what is unknown); the name of an UNKNOWN begins
  with that word. Waived findings are skipped records with the waiver's reason.
- A template that could not be judged is a failed record TL_TEMPLATE_2 and a parsing error.
- TL_CHECKOV_1 passes once a run and says how much was judged. A report without it is one in which
  these rules did not run: checkov says nothing of a folder of checks that is not there.

`TL_POLICY` and `TL_PARAMETERS` name what `--policy` and `--parameters` name for `tl check`. A fault
in them, or in the adapter, ends the run with exit code 2.

Where checkov differs:
- Its exit code for a template that could not be judged is 1, not 3.
- `--skip-path`, `--check` and `--skip-check` do what they say. A skip written into a template does
  not: it has no expiry, so write a waiver into the policy.
- `--file` judges what is named, and the nested templates below it. A named file without Resources
  is passed over, because checkov is often given every file there is.
- `--soft-fail` and `--no-fail-on-crash` end with 0, as they are meant to.
- Resources of a serverless.yml fail every rule: judge the template that it is packaged to.
"""
