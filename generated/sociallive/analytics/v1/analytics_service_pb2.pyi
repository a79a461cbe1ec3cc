from google.api import annotations_pb2 as _annotations_pb2
from sociallive.analytics.v1 import cohort_pb2 as _cohort_pb2
from sociallive.analytics.v1 import dashboard_pb2 as _dashboard_pb2
from sociallive.analytics.v1 import event_list_pb2 as _event_list_pb2
from sociallive.analytics.v1 import funnel_pb2 as _funnel_pb2
from sociallive.analytics.v1 import options_pb2 as _options_pb2
from sociallive.analytics.v1 import report_pb2 as _report_pb2
from sociallive.analytics.v1 import retention_pb2 as _retention_pb2
from sociallive.analytics.v1 import track_pb2 as _track_pb2
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor
