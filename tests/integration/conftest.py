from fixtures import (client, pytest_runtest_makereport, server, start, starter,  # noqa: F401
                      user)
from small_disk import small_disk  # noqa: F401
