"""The addresses of the pages."""

from django.urls import path

from .views import (
    account,
    activity,
    messages,
    overview,
    sandbox,
    session,
    setup,
    smtp_server_form,
    smtp_servers,
    smtp_tests,
    tokens,
)

app_name = "pages"

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("overview/hide-checklist", overview.hide, name="hide-checklist"),
    path("setup", setup.setup, name="setup"),
    path("login", session.log_in, name="login"),
    path("logout", session.log_out, name="logout"),
    path("account", account.account, name="account"),
    path("account/password", account.change_own_password, name="account-password"),
    path("account/region", account.region, name="account-region"),
    path("appearance", account.appearance, name="appearance"),
    path("language", account.language, name="language"),
    path("messages", messages.messages, name="messages"),
    path("messages/<str:message_id>", messages.message, name="message"),
    path("messages/<str:message_id>/retry", messages.retry, name="message-retry"),
    path("messages/<str:message_id>/cancel", messages.cancel, name="message-cancel"),
    path("activity", activity.activity, name="activity"),
    path("activity/<str:day>/download", activity.download, name="activity-download"),
    path("smtp-servers", smtp_servers.smtp_servers, name="smtp-servers"),
    path("smtp-servers/new", smtp_server_form.new_smtp_server, name="new-smtp-server"),
    path("smtp-servers/<str:server_id>", smtp_server_form.smtp_server, name="smtp-server"),
    path("smtp-servers/<str:server_id>/test", smtp_servers.test_saved, name="smtp-server-test"),
    path("smtp-servers/<str:server_id>/switch", smtp_servers.switch, name="smtp-server-switch"),
    path("smtp-servers/<str:server_id>/default", smtp_servers.make_default, name="smtp-server-default"),
    path("smtp-servers/<str:server_id>/delete", smtp_servers.delete, name="smtp-server-delete"),
    path("smtp-tests/<str:test_id>", smtp_tests.smtp_test, name="smtp-test"),
    path("smtp-tests/<str:test_id>/progress", smtp_tests.progress, name="smtp-test-progress"),
    path("smtp-tests/<str:test_id>/log", smtp_tests.log, name="smtp-test-log"),
    path("smtp-tests/<str:test_id>/stop", smtp_tests.stop, name="smtp-test-stop"),
    path("smtp-tests/<str:test_id>/again", smtp_tests.again, name="smtp-test-again"),
    path("smtp-tests/<str:test_id>/save", smtp_tests.save, name="smtp-test-save"),
    path("smtp-tests/<str:test_id>/save-untested", smtp_tests.save_untested, name="smtp-test-save-untested"),
    path("sandbox", sandbox.sandbox, name="sandbox"),
    path("sandbox/<str:message_id>", sandbox.sandbox_message, name="sandbox-message"),
    path("sandbox/<str:message_id>/frame", sandbox.frame, name="sandbox-frame"),
    path("sandbox/<str:message_id>/source", sandbox.source, name="sandbox-source"),
    path("sandbox/<str:message_id>/attachments/<int:number>", sandbox.attachment, name="sandbox-attachment"),
    path("tokens", tokens.tokens, name="tokens"),
    path("tokens/<str:token_id>/revoke", tokens.revoke, name="token-revoke"),
]
