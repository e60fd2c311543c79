from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0026_run_reopened'),
    ]

    operations = [
        migrations.AddField(
            model_name='announcement',
            name='failed',
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='announcementrecipient',
            name='failure',
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name='announcementrecipient',
            name='time_zone',
            field=models.CharField(blank=True, db_default='', max_length=64),
        ),
        migrations.AddField(
            model_name='announcementrecipient',
            name='values',
            field=models.JSONField(null=True),
        ),
    ]
