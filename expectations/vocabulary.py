"""The expectations that the suites are written in, by short names; ``Where`` begins a condition on rows.

Importing this module takes seconds, for it imports the library: functions do it when they build a suite. The library's package
does not declare what it re-exports, so the names come from where they are defined.
"""

from great_expectations.expectations.core.expect_column_max_to_be_between import ExpectColumnMaxToBeBetween as Figure
from great_expectations.expectations.core.expect_column_pair_values_to_be_equal import ExpectColumnPairValuesToBeEqual as Alike
from great_expectations.expectations.core.expect_column_values_to_be_between import ExpectColumnValuesToBeBetween as Between
from great_expectations.expectations.core.expect_column_values_to_be_in_set import ExpectColumnValuesToBeInSet as OneOf
from great_expectations.expectations.core.expect_column_values_to_be_null import ExpectColumnValuesToBeNull as Absent
from great_expectations.expectations.core.expect_column_values_to_be_unique import ExpectColumnValuesToBeUnique as Unique
from great_expectations.expectations.core.expect_column_values_to_not_be_in_set import ExpectColumnValuesToNotBeInSet as NoneOf
from great_expectations.expectations.core.expect_column_values_to_not_be_null import ExpectColumnValuesToNotBeNull as Present
from great_expectations.expectations.core.expect_table_columns_to_match_set import ExpectTableColumnsToMatchSet as Columns
from great_expectations.expectations.core.expect_table_row_count_to_be_between import ExpectTableRowCountToBeBetween as Rows
from great_expectations.expectations.metadata_types import FailureSeverity as Severity
from great_expectations.expectations.row_conditions import Column as Where

__all__ = ["Absent", "Alike", "Between", "Columns", "Figure", "NoneOf", "OneOf", "Present", "Rows", "Severity", "Unique", "Where"]
