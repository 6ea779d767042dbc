from fixtures import (client, pytest_runtest_makereport, server, start,  # noqa: F401
                      user)
