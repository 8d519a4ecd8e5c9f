"""The rules of `tl check` as custom checks of checkov, with the same findings.

    checkov -d FOLDER --framework cloudformation --external-checks-dir compliance/checkov_rules

checkov calls a custom check with a single resource, without its siblings and conditions, and skips
a resource whose condition is false by default or whose file it cannot read. Therefore `tljudge`
judges the whole folder, a check looks up its verdict, and after checkov's own pass the adapter puts
a record for each finding into the report, even where checkov did not visit the resource:

- FAIL and UNKNOWN become failed records, because checkov drops unknown results; the name of an
  UNKNOWN begins with that word. Waived findings become skipped records with the waiver's reason.
- A template that could not be judged becomes a failed record TL_TEMPLATE_2 and a parsing error.
- TL_CHECKOV_1 passes once for each run and counts rules, templates and resources. Without it the
  rules did not run: checkov does not report a checks folder that does not exist.

`TL_POLICY` and `TL_PARAMETERS` stand for `--policy` and `--parameters` of `tl check`. A fault in
them, or in the adapter, ends the run with exit code 2.

Differences from `tl check`:
- The exit code for a template that could not be judged is 1, not 3.
- `--skip-path`, `--check` and `--skip-check` work as in checkov. A skip comment in a template is
  ignored, because it never expires: write a waiver into the policy instead.
- `--file` judges the named files and the templates nested below them. It ignores a named file
  without Resources, because pre-commit hooks often pass every file.
- `--soft-fail` and `--no-fail-on-crash` exit with 0, as in checkov.
- Resources of a serverless.yml fail every rule: judge the packaged template instead.
"""
